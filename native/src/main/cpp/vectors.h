// Vectors of 16 numbers in GCC's and Clang's notation, which compiles for every processor. To be included inside a namespace of its own per instruction set.
#define INLINE static inline __attribute__((always_inline))

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint8_t Bytes16 __attribute__((vector_size(16), aligned(1), may_alias));

INLINE Floats load(const float* p) { return *(const Floats*)p; }
INLINE void store(float* p, Floats x) { *(Floats*)p = x; }
INLINE Floats all(float x) { return x - (Floats){}; }

// The first n of 16 numbers, zeros behind.
INLINE Floats load_some(const float* p, int n) {
  Floats x = {};
  memcpy(&x, p, sizeof(float) * n);
  return x;
}
// Of bfloat16, the upper halves.
typedef uint16_t Halves16 __attribute__((vector_size(32), aligned(2), may_alias));
typedef uint32_t Words __attribute__((vector_size(64), aligned(4), may_alias));
INLINE Floats load(const uint16_t* p) { return (Floats)(__builtin_convertvector(*(const Halves16*)p, Words) << 16); }
INLINE Floats load_some(const uint16_t* p, int n) {
  Halves16 x = {};
  memcpy(&x, p, sizeof(uint16_t) * n);
  return (Floats)(__builtin_convertvector(x, Words) << 16);
}
INLINE void store_some(float* p, Floats x, int n) { memcpy(p, &x, sizeof(float) * n); }

// To bfloat16, halves to even, as float32; NaN stays.
INLINE Floats rounded(Floats x) {
  Words bits = (Words)x;
  Floats r = (Floats)((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000);
  return x != x ? x : r;
}

// NaN in b stays.
INLINE Floats larger(Floats a, Floats b) { return a > b ? a : b; }
INLINE Floats absolute(Floats a) { return (Floats)((Ints)a & 0x7fffffff); }

// Halves upon halves: one order on every processor.
INLINE float sum(Floats a) {
  float s[16];
  memcpy(s, &a, sizeof s);
  for (int width = 8; width; width /= 2)
    for (int i = 0; i < width; i++) s[i] += s[i + width];
  return s[0];
}
INLINE float largest(Floats a) {
  float s[16];
  memcpy(s, &a, sizeof s);
  float m = s[0];
  for (int i = 1; i < 16; i++) m = m > s[i] ? m : s[i];
  return m;
}

#define SHUFFLE __builtin_shufflevector
INLINE Floats fold8(Floats a, Floats b) {
  return SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) + SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
}
INLINE Floats fold4(Floats a, Floats b) {
  return SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) + SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}
INLINE Floats fold2(Floats a, Floats b) {
  return SHUFFLE(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) + SHUFFLE(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
}
INLINE Floats fold1(Floats a, Floats b) {
  return SHUFFLE(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) + SHUFFLE(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
// The sum of each of 16 vectors, in its place: every sum halves upon halves, as sum() has it.
INLINE Floats sums_of(const Floats* d) {
  Floats e0 = fold8(d[0], d[8]), e1 = fold8(d[1], d[9]), e2 = fold8(d[2], d[10]), e3 = fold8(d[3], d[11]);
  Floats e4 = fold8(d[4], d[12]), e5 = fold8(d[5], d[13]), e6 = fold8(d[6], d[14]), e7 = fold8(d[7], d[15]);
  Floats f0 = fold4(e0, e4), f1 = fold4(e1, e5), f2 = fold4(e2, e6), f3 = fold4(e3, e7);
  Floats h = fold1(fold2(f0, f2), fold2(f1, f3));
  return SHUFFLE(h, h, 0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15);
}

// e^x within 2 units of the last place, from -87 to 88 and there cut off; NaN stays. Cephes' polynomial on the rest of x / log 2.
INLINE Floats exponential(Floats x) {
  x = x < -87.0f ? all(-87.0f) : x;
  x = x > 88.0f ? all(88.0f) : x;
  const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  Floats t = x * 1.44269504f + shift;
  Floats n = t - shift;
  Floats r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Ints power = ((Ints)t - 0x4b400000 + 127) << 23;
  return p * (Floats)power;
}

// 1 / (1 + e^-x)
INLINE Floats sigmoid(Floats x) { return 1.0f / (1.0f + exponential(-x)); }
INLINE Floats tangent(Floats x) { return 1.0f - 2.0f / (1.0f + exponential(x * 2.0f)); }

// The share of a normal distribution below x, within 1e-9 and 2 units of the last place. Near 0 by erf(z) = z p(z²), further off by erfc(|z|) = e^-q(|z|); both
// polynomials were fitted to that for this file, behind 5 erfc is nothing.
INLINE Floats below(Floats x) {
  Floats z = x * 0.70710678f, s = z * z, t = absolute(z);
  t = t > 5.0f ? all(5.0f) : t;
  Floats p = s * 7.889119297e-5f - 8.020841051e-4f;
  p = p * s + 5.189535208e-3f;
  p = p * s - 2.685444430e-2f;
  p = p * s + 1.128360033e-1f;
  p = p * s - 3.761262596e-1f;
  p = p * s + 1.1283791065f;
  Floats q = t * -2.513113486e-7f + 2.531460268e-5f;
  q = q * t - 4.637868260e-4f;
  q = q * t + 4.282378592e-3f;
  q = q * t - 2.537354827e-2f;
  q = q * t + 1.086389869e-1f;
  q = q * t + 6.330395937e-1f;
  q = q * t + 1.1296612024f;
  q = q * t - 2.043592831e-4f;
  Floats behind = exponential(-q) * 0.5f;
  Floats far = z < 0.0f ? behind : 1.0f - behind;
  return t < 1.0f ? z * p * 0.5f + 0.5f : far;
}
