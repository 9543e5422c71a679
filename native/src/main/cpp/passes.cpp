// The passes' one source, compiled once per instruction set: -DSET=name and the flags of build.sh.
#include "passes.h"

#include <cmath>
#include <cstring>
#include <type_traits>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace troupe {
namespace SET {
namespace {

#include "vectors.h"

#if defined(__AVX512VNNI__)
constexpr const char* NAME = "avx512-vnni";
#elif defined(__AVX2__)
constexpr const char* NAME = "avx2";
#elif defined(__ARM_FEATURE_MATMUL_INT8)
constexpr const char* NAME = "neon-i8mm";
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr const char* NAME = "neon-dotprod";
#else
constexpr const char* NAME = "plain";
#endif

// ---- bfloat16: the upper half of a float32

typedef uint16_t Brief;
typedef uint32_t Units __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t Briefs __attribute__((vector_size(32), aligned(2), may_alias));

INLINE Floats wide(Briefs x) {
#if defined(__AVX512F__)
  return (Floats)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)x), 16);
#elif defined(__AVX2__)
  __m128i half[2];
  memcpy(half, &x, sizeof half);
  __m256i out[2] = {_mm256_slli_epi32(_mm256_cvtepu16_epi32(half[0]), 16), _mm256_slli_epi32(_mm256_cvtepu16_epi32(half[1]), 16)};
  Floats y;
  memcpy(&y, out, sizeof y);
  return y;
#else
  return (Floats)(__builtin_convertvector(x, Units) << 16);
#endif
}

// To the nearest, halves to even; what is no number stays none.
INLINE Briefs brief(Floats x) {
  Units u = (Units)x;
  u = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  u = x == x ? u : (Units){} + 0x7fc0;
#if defined(__AVX512F__)
  return (Briefs)_mm512_cvtepi32_epi16((__m512i)u);
#elif defined(__AVX2__)
  __m256i half[2];
  memcpy(half, &u, sizeof half);
  return (Briefs)_mm256_permute4x64_epi64(_mm256_packus_epi32(half[0], half[1]), 0xd8);
#else
  return __builtin_convertvector(u, Briefs);
#endif
}

INLINE Floats get(const float* p) { return load(p); }
INLINE Floats get(const Brief* p) { return wide(*(const Briefs*)p); }
INLINE void put(float* p, Floats x) { store(p, x); }
INLINE void put(Brief* p, Floats x) { *(Briefs*)p = brief(x); }
INLINE Floats get_some(const float* p, int n) { return load_some(p, n); }
INLINE Floats get_some(const Brief* p, int n) {
  Briefs x = {};
  memcpy(&x, p, sizeof(Brief) * n);
  return wide(x);
}
INLINE void put_some(float* p, Floats x, int n) { store_some(p, x, n); }
INLINE void put_some(Brief* p, Floats x, int n) {
  Briefs y = brief(x);
  memcpy(p, &y, sizeof(Brief) * n);
}

#define INLINE_LAMBDA __attribute__((always_inline))

// Calls work(pointers of their numbers' types): one copy of the loop for each combination of types.
template <typename Work> INLINE void typed(From x, Work work) {
  if (x.narrow) work((const Brief*)x.at);
  else work((const float*)x.at);
}
template <typename Work> INLINE void typed(To x, Work work) {
  if (x.narrow) work((Brief*)x.at);
  else work((float*)x.at);
}

// body(k, some): sixteen numbers from k on, and at the end what is left, `some` of them.
#define WHOLE 16
template <typename Body> INLINE void each(int n, Body body) {
  int k = 0;
  for (; k + 16 <= n; k += 16) body(k, WHOLE);
  if (k < n) body(k, n - k);
}
template <typename P> INLINE Floats get(const P* p, int some) { return some == WHOLE ? get(p) : get_some(p, some); }
template <typename P> INLINE void put(P* p, Floats x, int some) {
  if (some == WHOLE) put(p, x);
  else put_some(p, x, some);
}

// ---- norms

float norm(From x, const float* gain, float plus, float eps, int n, To y) {
  float r = 0;
  typed(x, [&](auto* from) INLINE_LAMBDA {
    Floats squares = {};
    each(n, [&](int k, int some) INLINE_LAMBDA {
      Floats v = get(from + k, some);
      squares = squares + v * v;
    });
    r = 1.0f / std::sqrt(sum(squares) / (float)n + eps);
    typed(y, [&](auto* to) INLINE_LAMBDA {
      each(n, [&](int k, int some) INLINE_LAMBDA { put(to + k, get(from + k, some) * r * (get(gain + k, some) + plus), some); });
    });
  });
  return r;
}

void norm_back(From x, float r, const float* gain, float plus, From of_y, int n, To of_x, float* of_gain) {
  typed(x, [&](auto* from) INLINE_LAMBDA {
    auto* to = (std::remove_const_t<std::remove_pointer_t<decltype(from)>>*)of_x.at;
    typed(of_y, [&](auto* given) INLINE_LAMBDA {
      Floats dots = {};
      each(n, [&](int k, int some) INLINE_LAMBDA { dots = dots + get(given + k, some) * (get(gain + k, some) + plus) * get(from + k, some); });
      float along = sum(dots) * r * r / (float)n;
      if (of_gain)
        each(n, [&](int k, int some) INLINE_LAMBDA {
          put(of_gain + k, get(of_gain + k, some) + get(given + k, some) * (get(from + k, some) * r), some);
        });
      each(n, [&](int k, int some) INLINE_LAMBDA {
        put(to + k, (get(given + k, some) * (get(gain + k, some) + plus) - get(from + k, some) * along) * r, some);
      });
    });
  });
}

// ---- gates

// activation(x), and its slope
template <int ACTIVATION> INLINE Floats activated(Floats x, Floats* slope) {
  if constexpr (ACTIVATION == RELU) {
    *slope = x > 0.0f ? all(1.0f) : all(0.0f);
    return x < 0.0f ? all(0.0f) : x;
  }
  // x sigmoid(u): u is x, or for GELU by tanh 2 sqrt(2 / pi) (x + 0.044715 x³)
  Floats u = x, by = all(1.0f);
  if constexpr (ACTIVATION == GELU_TANH) {
    u = (x + 0.044715f * x * x * x) * 1.5957691216057308f;
    by = (1.0f + 0.134145f * x * x) * 1.5957691216057308f;
  }
  Floats s = sigmoid(u);
  *slope = s + x * s * (1.0f - s) * by;
  return x * s;
}

// One type of numbers for all, which the first says.
template <int ACTIVATION> void gate_as(From gate, From up, int n, To y) {
  typed(gate, [&](auto* g) INLINE_LAMBDA {
    auto* u = (decltype(g))up.at;
    auto* to = (std::remove_const_t<std::remove_pointer_t<decltype(g)>>*)y.at;
    each(n, [&](int k, int some) INLINE_LAMBDA {
      Floats slope, v = activated<ACTIVATION>(get(g + k, some), &slope);
      put(to + k, u ? v * get(u + k, some) : v, some);
    });
  });
}

template <int ACTIVATION> void gate_back_as(From gate, From up, From of_y, int n, To of_gate, To of_up) {
  typed(of_gate, [&](auto* to) INLINE_LAMBDA {
    const auto *g = (decltype(to))gate.at, *u = (decltype(to))up.at, *given = (decltype(to))of_y.at;
    auto* other = (decltype(to))of_up.at;
    each(n, [&](int k, int some) INLINE_LAMBDA {
      Floats slope, v = activated<ACTIVATION>(get(g + k, some), &slope), d = get(given + k, some);
      if (u) put(other + k, d * v, some);
      put(to + k, u ? d * get(u + k, some) * slope : d * slope, some);
    });
  });
}

void gate(From gate, From up, int activation, int n, To y) {
  if (activation == SILU) gate_as<SILU>(gate, up, n, y);
  else if (activation == GELU_TANH) gate_as<GELU_TANH>(gate, up, n, y);
  else gate_as<RELU>(gate, up, n, y);
}

void gate_back(From gate, From up, From of_y, int activation, int n, To of_gate, To of_up) {
  if (activation == SILU) gate_back_as<SILU>(gate, up, of_y, n, of_gate, of_up);
  else if (activation == GELU_TANH) gate_back_as<GELU_TANH>(gate, up, of_y, n, of_gate, of_up);
  else gate_back_as<RELU>(gate, up, of_y, n, of_gate, of_up);
}

// ---- heads

#define SHUFFLE __builtin_shufflevector
// Pairs of neighbours as complex numbers times turns, or times their conjugates where sign is -1.
INLINE Floats turned(Floats x, Floats turns, float sign) {
  Floats cosine = SHUFFLE(turns, turns, 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
  Floats sine = SHUFFLE(turns, turns, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15);
  Floats other = SHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  Floats signs = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
  return x * cosine + other * (sine * (signs * sign));
}

void head(From x, const Head& how, int n, float* y) {
  From from = x;
  if (how.gain) {
    norm(x, how.gain, how.plus, how.eps, n, {y, false});
    from = {y, false};
  }
  typed(from, [&](auto* p) INLINE_LAMBDA {
    each(n, [&](int k, int some) INLINE_LAMBDA {
      Floats v = get(p + k, some);
      if (how.turns) v = turned(v, get(how.turns + k, some), 1.0f);
      put(y + k, v * how.scale, some);
    });
  });
}

void head_back(From x, const Head& how, const float* of_y, int n, float* room, To of_x, float* of_gain) {
  To first = how.gain ? To{room, false} : of_x;
  typed(first, [&](auto* to) INLINE_LAMBDA {
    each(n, [&](int k, int some) INLINE_LAMBDA {
      Floats v = get(of_y + k, some) * how.scale;
      if (how.turns) v = turned(v, get(how.turns + k, some), -1.0f);
      put(to + k, v, some);
    });
  });
  if (!how.gain) return;
  float squares = 0;
  typed(x, [&](auto* from) INLINE_LAMBDA {
    Floats s = {};
    each(n, [&](int k, int some) INLINE_LAMBDA {
      Floats v = get(from + k, some);
      s = s + v * v;
    });
    squares = sum(s);
  });
  norm_back(x, 1.0f / std::sqrt(squares / (float)n + how.eps), how.gain, how.plus, {room, false}, n, of_x, of_gain);
}

// What is copied is read once and lies row behind row: the processor's own prefetching ends with each page of memory, so it is asked for ahead (kernels.cpp).
constexpr int AHEAD = 8192;

void copy(From x, int n, To y) {
  typed(x, [&](auto* from) INLINE_LAMBDA {
    typed(y, [&](auto* to) INLINE_LAMBDA {
      each(n, [&](int k, int some) INLINE_LAMBDA {
        if (k % (64 / (int)sizeof(*from)) == 0) __builtin_prefetch((const char*)(from + k) + AHEAD, 0, 2);
        put(to + k, get(from + k, some), some);
      });
    });
  });
}

// ---- what is held in blocks

// Sixteen numbers that signed bytes are.
INLINE Floats whole_numbers(const uint8_t* p) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
#else
  Floats x;
  for (int i = 0; i < 16; i++) x[i] = (float)(int8_t)p[i];
  return x;
#endif
}

// Sixteen numbers that codes stand for, in eight bytes.
INLINE Floats coded(const uint8_t* p, const float* table) {
#if defined(__AVX2__)
  __m128i bytes = _mm_loadl_epi64((const __m128i*)p), mask = _mm_set1_epi8(15);
  __m128i codes = _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask), _mm_and_si128(bytes, mask));
#if defined(__AVX512F__)
  return (Floats)_mm512_permutexvar_ps(_mm512_cvtepu8_epi32(codes), _mm512_loadu_ps(table));
#else
  __m256 low = _mm256_loadu_ps(table), high = _mm256_loadu_ps(table + 8), out[2];
  __m256i at[2] = {_mm256_cvtepu8_epi32(codes), _mm256_cvtepu8_epi32(_mm_srli_si128(codes, 8))};
  for (int i = 0; i < 2; i++)
    out[i] = _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, at[i]), _mm256_permutevar8x32_ps(high, at[i]), _mm256_castsi256_ps(_mm256_slli_epi32(at[i], 28)));
  Floats x;
  memcpy(&x, out, sizeof x);
  return x;
#endif
#else
  Floats x;
  for (int i = 0; i < 16; i++) x[i] = table[i % 2 ? p[i / 2] & 15 : p[i / 2] >> 4];
  return x;
#endif
}

void held(const uint8_t* codes, const float* table, const float* scales, int block, int first, int n, To y) {
  typed(y, [&](auto* to) INLINE_LAMBDA {
    for (int at = first; at < first + n;) {
      int own = at / block, end = (own + 1) * block < first + n ? (own + 1) * block : first + n;
      Floats scale = all(scales[own]);
      const uint8_t* from = codes + (table ? at / 2 : at);
      each(end - at, [&](int k, int some) INLINE_LAMBDA {
        uint8_t last[16] = {};
        const uint8_t* p = from + (table ? k / 2 : k);
        if (some != WHOLE) p = (const uint8_t*)memcpy(last, p, table ? (some + 1) / 2 : some);
        put(to + (at - first) + k, (table ? coded(p, table) : whole_numbers(p)) * scale, some);
      });
      at = end;
    }
  });
}

// ---- softmax

INLINE void nothing(float* p, int n) { memset(p, 0, sizeof(float) * n); }

void softmax(float* s, int from, int to, int n) {
  float* p = s + from;
  int count = to - from, whole = count / 16 * 16;
  Floats most = all(-INFINITY);
  each(whole, [&](int k, int) INLINE_LAMBDA { most = larger(most, load(p + k)); });
  float m = largest(most);
  for (int k = whole; k < count; k++) m = m > p[k] ? m : p[k];
  Floats total = {};
  each(count, [&](int k, int some) INLINE_LAMBDA {
    Floats e = exponential(get(p + k, some) - m);
    put(p + k, e, some);
    total = total + get(p + k, some);
  });
  float by = 1.0f / sum(total);
  each(count, [&](int k, int some) INLINE_LAMBDA { put(p + k, get(p + k, some) * by, some); });
  nothing(s, from);
  nothing(s + to, n - to);
}

void softmax_back(const float* p, float* of_p, int from, int to, int n) {
  int count = to - from;
  const float* q = p + from;
  float* d = of_p + from;
  Floats dots = {};
  each(count, [&](int k, int some) INLINE_LAMBDA { dots = dots + get(q + k, some) * get(d + k, some); });
  float along = sum(dots);
  each(count, [&](int k, int some) INLINE_LAMBDA { put(d + k, get(q + k, some) * (get(d + k, some) - along), some); });
  nothing(of_p, from);
  nothing(of_p + to, n - to);
}

}  // namespace

extern const Passes passes;
const Passes passes = {NAME, norm, norm_back, gate, gate_back, head, head_back, copy, held, softmax, softmax_back};

}  // namespace SET
}  // namespace troupe
