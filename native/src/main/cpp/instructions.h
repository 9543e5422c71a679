// What each instruction set has of its own. Four products of bytes, added up: activations are unsigned, weights signed. `Sums` holds 16 sums, of as many
// outputs; add() takes 4 activations, the same for all outputs, and 64 weights. Exact: integers of 32 bits. nearest() rounds to whole numbers, halves to even;
// fused() is a b + c, rounded once where the processor can.
// Total holds 16 sums of products of numbers; add() takes one that is the same for all. GROUP query heads and WIDTH times 16 numbers of values are as many as the registers hold.
// To be included inside a namespace of its own per instruction set.
#if defined(__AVX512VNNI__)
typedef __m512i Sums;
constexpr const char* NAME = "avx512-vnni";
constexpr int LARGEST = 127, GROUP = 4, WIDTH = 4;
INLINE Ints nearest(Floats x) { return (Ints)_mm512_cvtps_epi32((__m512)x); }
INLINE Floats fused(Floats a, Floats b, Floats c) { return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE Sums none() { return _mm512_setzero_si512(); }
// In assembly, as GCC 12 copies the sums of its own intrinsic about.
INLINE Sums add(Sums sums, int32_t activations, const int8_t* w) {
  __m512i a = _mm512_set1_epi32(activations), b = _mm512_loadu_si512(w);
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(a), "v"(b));
  return sums;
}
INLINE Ints integers(Sums sums) { return (Ints)sums; }
typedef __m512 Total;
INLINE Total nothing() { return _mm512_setzero_ps(); }
INLINE Total number(float x) { return _mm512_set1_ps(x); }
INLINE Total numbers(const float* p) { return _mm512_loadu_ps(p); }
INLINE Total numbers(const uint16_t* p) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)), 16)); }
INLINE Total add(Total total, Total x, Total w) {
  asm("vfmadd231ps %2, %1, %0" : "+v"(total) : "v"(x), "v"(w));
  return total;
}
INLINE Floats floats(Total total) { return (Floats)total; }
// Pairs of bfloat16, the one that is the same for all and 16 of weights: two products each, added up. In assembly, as few processors of this set have it: those alone
// whose kernels are the ones by pairs get here.
typedef __m512i Pairs;
INLINE Pairs pairs(const uint16_t* p) { return _mm512_loadu_si512(p); }
INLINE Pairs lone(const uint16_t* p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p)); }
INLINE Total add(Total total, int32_t pair, Pairs w) {
  Pairs x = _mm512_set1_epi32(pair);
  asm("vdpbf16ps %2, %1, %0" : "+v"(total) : "v"(x), "v"(w));
  return total;
}
#elif defined(__AVX2__)
struct Sums { __m256i low, high; };
constexpr const char* NAME = "avx2";
// Two products are added in 16 bits first: 2 * 255 * 63 fits, with larger weights it would be cut.
constexpr int LARGEST = 63, GROUP = 2, WIDTH = 2;
INLINE Ints nearest(Floats x) {
  __m256 of[2];
  memcpy(of, &x, sizeof of);
  __m256i whole[2] = {_mm256_cvtps_epi32(of[0]), _mm256_cvtps_epi32(of[1])};
  Ints out;
  memcpy(&out, whole, sizeof out);
  return out;
}
INLINE Floats fused(Floats a, Floats b, Floats c) {
  __m256 x[2], y[2], z[2];
  memcpy(x, &a, sizeof x);
  memcpy(y, &b, sizeof y);
  memcpy(z, &c, sizeof z);
  z[0] = _mm256_fmadd_ps(x[0], y[0], z[0]);
  z[1] = _mm256_fmadd_ps(x[1], y[1], z[1]);
  memcpy(&c, z, sizeof z);
  return c;
}
INLINE Sums none() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
INLINE Sums add(Sums sums, int32_t activations, const int8_t* w) {
  __m256i a = _mm256_set1_epi32(activations), ones = _mm256_set1_epi16(1);
  __m256i low = _mm256_maddubs_epi16(a, _mm256_loadu_si256((const __m256i*)w));
  __m256i high = _mm256_maddubs_epi16(a, _mm256_loadu_si256((const __m256i*)(w + 32)));
  return {_mm256_add_epi32(sums.low, _mm256_madd_epi16(low, ones)), _mm256_add_epi32(sums.high, _mm256_madd_epi16(high, ones))};
}
INLINE Ints integers(Sums sums) {
  Ints out;
  memcpy(&out, &sums, sizeof out);
  return out;
}
struct Total { __m256 low, high; };
INLINE Total nothing() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
INLINE Total number(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INLINE Total numbers(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
INLINE __m256 widened(const uint16_t* p) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16)); }
INLINE Total numbers(const uint16_t* p) { return {widened(p), widened(p + 8)}; }
INLINE Total add(Total total, Total x, Total w) { return {_mm256_fmadd_ps(x.low, w.low, total.low), _mm256_fmadd_ps(x.high, w.high, total.high)}; }
INLINE Floats floats(Total total) {
  Floats out;
  memcpy(&out, &total, sizeof out);
  return out;
}
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr int LARGEST = 127, GROUP = 2, WIDTH = 2;
INLINE Ints nearest(Floats x) {
  float32x4_t of[4];
  memcpy(of, &x, sizeof of);
  int32x4_t whole[4] = {vcvtnq_s32_f32(of[0]), vcvtnq_s32_f32(of[1]), vcvtnq_s32_f32(of[2]), vcvtnq_s32_f32(of[3])};
  Ints out;
  memcpy(&out, whole, sizeof out);
  return out;
}
INLINE Floats fused(Floats a, Floats b, Floats c) {
  float32x4_t x[4], y[4], z[4];
  memcpy(x, &a, sizeof x);
  memcpy(y, &b, sizeof y);
  memcpy(z, &c, sizeof z);
  for (int i = 0; i < 4; i++) z[i] = vfmaq_f32(z[i], x[i], y[i]);
  memcpy(&c, z, sizeof z);
  return c;
}
INLINE Ints together(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  int32x4_t of[4] = {a, b, c, d};
  Ints out;
  memcpy(&out, of, sizeof out);
  return out;
}
#if defined(__ARM_FEATURE_MATMUL_INT8)
constexpr const char* NAME = "neon-i8mm";
struct Sums { int32x4_t a, b, c, d; };
INLINE Sums none() { return {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)}; }
INLINE Sums add(Sums s, int32_t activations, const int8_t* w) {
  uint8x16_t x = vreinterpretq_u8_s32(vdupq_n_s32(activations));
  return {vusdotq_s32(s.a, x, vld1q_s8(w)), vusdotq_s32(s.b, x, vld1q_s8(w + 16)), vusdotq_s32(s.c, x, vld1q_s8(w + 32)), vusdotq_s32(s.d, x, vld1q_s8(w + 48))};
}
INLINE Ints integers(Sums s) { return together(s.a, s.b, s.c, s.d); }
#else
constexpr const char* NAME = "neon-dotprod";
// This processor multiplies signed bytes with signed ones: of an activation its bits as a signed byte, which is 256 too little from 128 on, and how many of those
// 256 there are.
struct Sums { int32x4_t a, b, c, d, more_a, more_b, more_c, more_d; };
INLINE Sums none() {
  int32x4_t zero = vdupq_n_s32(0);
  return {zero, zero, zero, zero, zero, zero, zero, zero};
}
INLINE Sums add(Sums s, int32_t activations, const int8_t* w) {
  int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(activations)), more = vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(x), 7));
  int8x16_t a = vld1q_s8(w), b = vld1q_s8(w + 16), c = vld1q_s8(w + 32), d = vld1q_s8(w + 48);
  return {vdotq_s32(s.a, x, a),         vdotq_s32(s.b, x, b),         vdotq_s32(s.c, x, c),         vdotq_s32(s.d, x, d),
          vdotq_s32(s.more_a, more, a), vdotq_s32(s.more_b, more, b), vdotq_s32(s.more_c, more, c), vdotq_s32(s.more_d, more, d)};
}
INLINE Ints integers(Sums s) { return together(s.a, s.b, s.c, s.d) + together(s.more_a, s.more_b, s.more_c, s.more_d) * 256; }
#endif
struct Total { float32x4_t a, b, c, d; };
INLINE Total number(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}; }
INLINE Total nothing() { return number(0.0f); }
INLINE Total numbers(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)}; }
INLINE float32x4_t widened(const uint16_t* p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }
INLINE Total numbers(const uint16_t* p) { return {widened(p), widened(p + 4), widened(p + 8), widened(p + 12)}; }
INLINE Total add(Total t, Total x, Total w) { return {vfmaq_f32(t.a, x.a, w.a), vfmaq_f32(t.b, x.b, w.b), vfmaq_f32(t.c, x.c, w.c), vfmaq_f32(t.d, x.d, w.d)}; }
INLINE Floats floats(Total t) {
  Floats out;
  memcpy(&out, &t, sizeof out);
  return out;
}
#else
struct Sums { int32_t of[16]; };
constexpr const char* NAME = "plain";
constexpr int LARGEST = 127, GROUP = 1, WIDTH = 1;
INLINE Floats fused(Floats a, Floats b, Floats c) { return a * b + c; }
// What is added to 1.5 * 2^23 is rounded to a whole number.
INLINE Ints nearest(Floats x) { return (Ints)(x + 12582912.0f) - 0x4b400000; }
INLINE Sums none() { return {}; }
INLINE Sums add(Sums sums, int32_t activations, const int8_t* w) {
  uint8_t a[4];
  memcpy(a, &activations, sizeof a);
  for (int i = 0; i < 16; i++) sums.of[i] += a[0] * w[4 * i] + a[1] * w[4 * i + 1] + a[2] * w[4 * i + 2] + a[3] * w[4 * i + 3];
  return sums;
}
INLINE Ints integers(Sums sums) {
  Ints out;
  memcpy(&out, &sums, sizeof out);
  return out;
}
typedef Floats Total;
INLINE Total nothing() { return Floats{}; }
INLINE Total number(float x) { return all(x); }
INLINE Total numbers(const float* p) { return load(p); }
INLINE Total numbers(const uint16_t* p) { return load(p); }
INLINE Total add(Total total, Total x, Total w) { return total + x * w; }
INLINE Floats floats(Total total) { return total; }
#endif
