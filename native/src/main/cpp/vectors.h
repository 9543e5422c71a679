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
