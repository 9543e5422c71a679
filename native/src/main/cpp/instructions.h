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
