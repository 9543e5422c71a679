// The kernels' one source, compiled once per instruction set: -DSET=name and the flags of build.sh.
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace troupe {
namespace SET {

#include "vectors.h"
#include "instructions.h"

// ---- bytes

// 128 standing for 0.
INLINE Bytes16 around_128(Ints i) {
#if defined(__AVX512F__)
  return (Bytes16)_mm512_maskz_cvtepi32_epi8((__mmask16)-1, (__m512i)(i + 128));
#else
  return __builtin_convertvector(i + 128, Bytes16);
#endif
}

INLINE void quantise_16(Floats x, float scale, uint8_t* q, uint8_t* low) {
  // Divided, not multiplied by 1 / scale, and rounded after each operation: the bytes are those of torch's own operations.
  Floats v = x / scale;
  Ints whole = nearest(v);
  *(Bytes16*)q = around_128(whole);
  if (low) *(Bytes16*)low = around_128(nearest((v - __builtin_convertvector(whole, Floats)) * 254.0f));
}

// The largest of x [n] without its sign, and in *odd 0; no number in *odd, if any of x is infinite or no number.
INLINE float size_of(const float* x, int n, float* odd) {
  int whole = n / 16 * 16;
  Floats most = {}, zero = {};
  for (int k = 0; k < whole; k += 16) {
    Floats v = load(x + k);
    most = larger(most, absolute(v));
    zero += v * 0.0f;
  }
  if (whole < n) {
    Floats v = load_some(x + whole, n - whole);
    most = larger(most, absolute(v));
    zero += v * 0.0f;
  }
  *odd = sum(zero);
  float m = largest(most);
  return m < 1e-12f ? 1e-12f : m;
}

void pack(const float* w, int rows, int n, int padded, int8_t* panel, float* scale, int32_t* sums) {
  memset(panel, 0, (size_t)padded * PANEL);
  for (int row = 0; row < rows; row++, w += n) {
    float odd;
    float step = size_of(w, n, &odd) / (float)LARGEST;
    scale[row] = step + odd;
    int32_t total = 0;
    for (int k = 0; k < n; k += 16) {
      int some = n - k < 16 ? n - k : 16;
      Ints whole = nearest((some == 16 ? load(w + k) : load_some(w + k, some)) / step);
      int8_t bytes[16];
      for (int i = 0; i < 16; i++) {
        bytes[i] = (int8_t)whole[i];
        total += bytes[i];
      }
      for (int i = 0; i < some; i += 4) memcpy(panel + (int64_t)(k + i) * PANEL + 4 * row, bytes + i, 4);
    }
    sums[row] = 128 * total;
  }
}

void quantise(const float* x, int n, int padded, uint8_t* q, uint8_t* low, float* scale) {
  float odd;
  float step = size_of(x, n, &odd) * 0.007874015748031496f;
  *scale = step + odd;
  int k = 0;
  for (; k + 16 <= n; k += 16) quantise_16(load(x + k), step, q + k, low ? low + k : nullptr);
  if (k < n) {
    quantise_16(load_some(x + k, n - k), step, q + k, low ? low + k : nullptr);
    k += 16;
  }
  for (; k < padded; k++) {
    q[k] = 128;
    if (low) low[k] = 128;
  }
}

// The processor's own prefetching ends with a page of memory, of which a panel is several. So while a panel is multiplied, the next one is asked for: the panels
// of a matrix lie behind one another. Several rows go through a panel in several passes, of which each asks for a part, so that memory is never idle. Behind the
// last panel this asks for nothing that hurts.
struct Ahead {
  const char* next;
  int step;  // bytes asked for with each `unit` of this panel
};
INLINE Ahead part_of_next(const void* panel, int64_t bytes, int unit, int pass, int passes) {
  return {(const char*)panel + bytes + bytes * pass / passes, (unit + passes - 1) / passes};
}
template <int LINES>
INLINE void ask(Ahead& ahead) {
#pragma GCC unroll 3
  for (int line = 0; line < LINES; line++) __builtin_prefetch(ahead.next + 64 * line, 0, 2);
  ahead.next += ahead.step;
}

// Sums of ROWS rows of activations with one panel. STEPS groups of inputs are added up apart, so that few rows do not wait for one another's sums. The sums
// have names, as GCC keeps an array of them in memory, at a third of the speed.
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define BEGIN(s) Sums a##s = none(), b##s = none(), c##s = none();
#define STEP(s)                                                              \
  if constexpr (s < ROWS * STEPS) {                                          \
    int32_t x;                                                               \
    memcpy(&x, q + (int64_t)(s % ROWS) * inputs + k + s / ROWS * 4, 4);      \
    const int8_t* w = panel + (int64_t)(k + s / ROWS * 4) * PANEL;           \
    if constexpr (s % ROWS == 0) ask<LINES>(ahead);                          \
    a##s = add(a##s, x, w);                                                  \
    b##s = add(b##s, x, w + 64);                                             \
    c##s = add(c##s, x, w + 128);                                            \
  }
#define END(s)                                                               \
  if constexpr (s < ROWS) {                                                  \
    out[s][0] = integers(a##s);                                              \
    out[s][1] = integers(b##s);                                              \
    out[s][2] = integers(c##s);                                              \
  } else if constexpr (s < ROWS * STEPS) {                                   \
    out[s % ROWS][0] += integers(a##s);                                      \
    out[s % ROWS][1] += integers(b##s);                                      \
    out[s % ROWS][2] += integers(c##s);                                      \
  }
template <int ROWS, int STEPS, int LINES>
static void wide_tile(const uint8_t* q, const int8_t* panel, int inputs, Ahead ahead, Ints (*out)[3]) {
  EACH(BEGIN)
  for (int k = 0; k < inputs; k += 4 * STEPS) {
    EACH(STEP)
  }
  EACH(END)
}

// The same a third of a panel at a time, for processors with few registers: the panel is read again from the first cache.
#define NARROW_BEGIN(s) Sums a##s = none();
#define NARROW_STEP(s)                                                       \
  if constexpr (s < ROWS) {                                                  \
    int32_t x;                                                               \
    memcpy(&x, q + (int64_t)s * inputs + k, 4);                              \
    a##s = add(a##s, x, w);                                                  \
  }
#define NARROW_END(s) if constexpr (s < ROWS) out[s][third] = integers(a##s);
#define EACH_OF_4(X) X(0) X(1) X(2) X(3)
template <int ROWS, int LINES>
static void narrow_tile(const uint8_t* q, const int8_t* panel, int inputs, Ahead ahead, Ints (*out)[3]) {
  for (int third = 0; third < 3; third++) {
    EACH_OF_4(NARROW_BEGIN)
    for (int k = 0; k < inputs; k += 4) {
      const int8_t* w = panel + (int64_t)k * PANEL + 64 * third;
      if (third == 0) ask<LINES>(ahead);
      EACH_OF_4(NARROW_STEP)
    }
    EACH_OF_4(NARROW_END)
  }
}

// Tiles of 1, 2, … rows, by how many lines they ask for at a time: 3 in one pass, 2 in two, else 1.
typedef void (*Tile)(const uint8_t*, const int8_t*, int, Ahead, Ints (*)[3]);
#if defined(__AVX512VNNI__)
constexpr int TILE_ROWS = 8;
#define TILES_OF(n)                                                                                                                            \
  {nullptr,            wide_tile<1, 8, n>, wide_tile<2, 4, n>, wide_tile<3, 2, n>, wide_tile<4, 2, n>, wide_tile<5, 1, n>, wide_tile<6, 1, n>, \
   wide_tile<7, 1, n>, wide_tile<8, 1, n>}
#else
constexpr int TILE_ROWS = 4;
#define TILES_OF(n) {nullptr, wide_tile<1, 2, n>, wide_tile<2, 1, n>, narrow_tile<3, n>, narrow_tile<4, n>}
#endif
constexpr Tile TILES[][TILE_ROWS + 1] = {TILES_OF(3), TILES_OF(2), TILES_OF(1)};

void product(const uint8_t* q, const uint8_t* low, const float* scale, int rows, const Bytes& w, int from, int to, float* y, int64_t stride) {
  Ints first[TILE_ROWS][3], second[TILE_ROWS][3];
  int inputs = w.inputs, passes = (rows + TILE_ROWS - 1) / TILE_ROWS * (low ? 2 : 1);
  int64_t size = (int64_t)inputs * PANEL;
  const Tile* tiles = TILES[passes < 3 ? passes - 1 : 2];
  for (int p = from; p < to; p++) {
    const int8_t* panel = w.panels + p * size;
    int pass = 0;
    for (int row = 0; row < rows; row += TILE_ROWS) {
      int count = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
      tiles[count](q + (int64_t)row * inputs, panel, inputs, part_of_next(panel, size, 4 * PANEL, pass++, passes), first);
      if (low) tiles[count](low + (int64_t)row * inputs, panel, inputs, part_of_next(panel, size, 4 * PANEL, pass++, passes), second);
      for (int third = 0; third < 3; third++) {
        int at = p * PANEL + third * 16;
        int some = w.outputs - at < 16 ? w.outputs - at : 16;
        if (some <= 0) break;
        Floats steps = some == 16 ? load(w.scale + at) : load_some(w.scale + at, some);
        Ints sums = {};
        memcpy(&sums, w.sums + at, sizeof(int32_t) * some);
        for (int i = 0; i < count; i++) {
          Floats f = __builtin_convertvector(first[i][third] - sums, Floats) * steps;
          if (low) f = fused(__builtin_convertvector(second[i][third] - sums, Floats) * steps, all(SECOND), f);
          f = f * scale[row + i];
          float* out = y + (row + i) * stride + at;
          if (some == 16) store(out, f);
          else store_some(out, f, some);
        }
      }
    }
  }
}

// ---- products of numbers

INLINE void put(float* to, float x) { *to = x; }
INLINE void put(uint16_t* to, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  *to = (uint16_t)(bits >> 16);
}

// Where a panel has input k of an output.
template <bool PAIRS>
INLINE int64_t place(int k, int row, int n) {
  bool beside = PAIRS && (k ^ 1) < n;
  return beside ? (int64_t)(k & ~1) * PANEL + 2 * row + (k & 1) : (int64_t)k * PANEL + row;
}

template <typename T, bool PAIRS = false>
static void pack_as(const float* w, int rows, int n, T* panel) {
  memset(panel, 0, sizeof(T) * n * PANEL);
  // 16 inputs of all outputs, and then the next, so that what is written stays at hand.
  for (int k = 0; k < n; k += 16) {
    int some = n - k < 16 ? n - k : 16;
    for (int row = 0; row < rows; row++) {
      const float* from = w + (int64_t)row * n + k;
      Floats x = some == 16 ? load(from) : load_some(from, some);
      if constexpr (sizeof(T) == 2) x = rounded(x);
      float numbers[16];
      store(numbers, x);
      for (int i = 0; i < some; i++) put(panel + place<PAIRS>(k + i, row, n), numbers[i]);
    }
  }
}

void pack_numbers(const float* w, int rows, int n, bool half, void* panel) {
  if (half) pack_as(w, rows, n, (uint16_t*)panel);
  else pack_as(w, rows, n, (float*)panel);
}

void round(const float* x, int n, void* to) {
  float* y = (float*)to;
  int whole = n / 16 * 16;
  for (int k = 0; k < whole; k += 16) store(y + k, rounded(load(x + k)));
  if (whole < n) store_some(y + whole, rounded(load_some(x + whole, n - whole)), n - whole);
}

#define NUMBERS_BEGIN(s) Total a##s = nothing(), b##s = nothing(), c##s = nothing();
#define NUMBERS_STEP(s)                        \
  if constexpr (s < ROWS) {                    \
    Total v = number(x[s * from_stride + k]);  \
    a##s = add(a##s, v, w0);                   \
    b##s = add(b##s, v, w1);                   \
    c##s = add(c##s, v, w2);                   \
  }
#define NUMBERS_END(s)         \
  if constexpr (s < ROWS) {    \
    out[s][0] = floats(a##s);  \
    out[s][1] = floats(b##s);  \
    out[s][2] = floats(c##s);  \
  }
template <typename T, int ROWS, int LINES>
static void numbers_tile(const float* x, int64_t from_stride, const T* panel, int inputs, Ahead ahead, Floats (*out)[3]) {
  EACH(NUMBERS_BEGIN)
  for (int k = 0; k < inputs; k++) {
    const T* w = panel + (int64_t)k * PANEL;
    ask<LINES>(ahead);
    Total w0 = numbers(w), w1 = numbers(w + 16), w2 = numbers(w + 32);
    EACH(NUMBERS_STEP)
  }
  EACH(NUMBERS_END)
}

// A third of a panel at a time, for processors with few registers.
#define THIRD_BEGIN(s) Total a##s = nothing();
#define THIRD_STEP(s) if constexpr (s < ROWS) a##s = add(a##s, number(x[s * from_stride + k]), v);
#define THIRD_END(s) if constexpr (s < ROWS) out[s][third] = floats(a##s);
template <typename T, int ROWS, int LINES>
static void numbers_third(const float* x, int64_t from_stride, const T* panel, int inputs, Ahead ahead, Floats (*out)[3]) {
  for (int third = 0; third < 3; third++) {
    EACH_OF_4(THIRD_BEGIN)
    for (int k = 0; k < inputs; k++) {
      const T* w = panel + (int64_t)k * PANEL;
      if (third == 0) ask<LINES>(ahead);
      Total v = numbers(w + 16 * third);
      EACH_OF_4(THIRD_STEP)
    }
    EACH_OF_4(THIRD_END)
  }
}

// Tiles of as many rows as there are registers for.
template <int ROWS, int LINES, typename T>
static void numbers_rows(const float* x, int64_t from_stride, const T* panel, int inputs, Ahead ahead, Floats (*out)[3]) {
  if constexpr (TILE_ROWS == 8) numbers_tile<T, ROWS, LINES>(x, from_stride, panel, inputs, ahead, out);
  else if constexpr (ROWS <= TILE_ROWS) numbers_third<T, ROWS, LINES>(x, from_stride, panel, inputs, ahead, out);
}

#if defined(__AVX512VNNI__)
// The same by pairs; an odd last input is one with nothing.
#define PAIRS_STEP(s)                                        \
  if constexpr (s < ROWS) {                                  \
    int32_t v = 0;                                           \
    memcpy(&v, x + s * from_stride + k, sizeof *x * inside); \
    a##s = add(a##s, v, w0);                                 \
    b##s = add(b##s, v, w1);                                 \
    c##s = add(c##s, v, w2);                                 \
  }
template <int ROWS, int LINES>
static void numbers_rows(const uint16_t* x, int64_t from_stride, const uint16_t* panel, int inputs, Ahead ahead, Floats (*out)[3]) {
  EACH(NUMBERS_BEGIN)
  int k = 0;
  for (; k + 2 <= inputs; k += 2) {
    constexpr int inside = 2;
    const uint16_t* w = panel + (int64_t)k * PANEL;
    ask<LINES>(ahead);
    Pairs w0 = pairs(w), w1 = pairs(w + 32), w2 = pairs(w + 64);
    EACH(PAIRS_STEP)
  }
  if (k < inputs) {
    constexpr int inside = 1;
    const uint16_t* w = panel + (int64_t)k * PANEL;
    Pairs w0 = lone(w), w1 = lone(w + 16), w2 = lone(w + 32);
    EACH(PAIRS_STEP)
  }
  EACH(NUMBERS_END)
}
#endif

#define NUMBERS_OF(n)                                                                                                                           \
  {nullptr, numbers_rows<1, n>, numbers_rows<2, n>, numbers_rows<3, n>, numbers_rows<4, n>, numbers_rows<5, n>, numbers_rows<6, n>, numbers_rows<7, n>, numbers_rows<8, n>}

// X: float, or uint16_t for bfloat16 that is multiplied by pairs
template <typename X, typename T>
static void multiply_as(const X* x, int64_t from_stride, int rows, const T* panels, const Panels& w, int from, int to, float* y, int64_t stride) {
  typedef void (*NumbersTile)(const X*, int64_t, const T*, int, Ahead, Floats(*)[3]);
  static constexpr NumbersTile OF[][9] = {NUMBERS_OF(3), NUMBERS_OF(2), NUMBERS_OF(1)};
  constexpr int STEP = sizeof(X) == 2 ? 2 : 1, UNIT = STEP * sizeof(T) * PANEL;
  int passes = (rows + TILE_ROWS - 1) / TILE_ROWS, lines = (UNIT / passes + 63) / 64;
  int64_t size = (int64_t)w.inputs * sizeof(T) * PANEL;
  Floats out[TILE_ROWS][3];
  for (int p = from; p < to; p++) {
    const T* panel = panels + (int64_t)p * w.inputs * PANEL;
    for (int row = 0; row < rows; row += TILE_ROWS) {
      int count = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
      Ahead ahead = part_of_next(panel, size, UNIT, row / TILE_ROWS, passes);
      OF[lines > 1 ? 3 - lines : 2][count](x + row * from_stride, from_stride, panel, w.inputs, ahead, out);
      for (int i = 0; i < count; i++)
        for (int third = 0; third < 3; third++) {
          int at = p * PANEL + third * 16, some = w.outputs - at < 16 ? w.outputs - at : 16;
          if (some <= 0) break;
          float* to_y = y + (row + i) * stride + at;
          if (some == 16) store(to_y, out[i][third]);
          else store_some(to_y, out[i][third], some);
        }
    }
  }
}

void multiply(const void* x, int64_t from_stride, int rows, const Panels& w, int from, int to, float* y, int64_t stride) {
  if (w.half) multiply_as((const float*)x, from_stride, rows, (const uint16_t*)w.panels, w, from, to, y, stride);
  else multiply_as((const float*)x, from_stride, rows, (const float*)w.panels, w, from, to, y, stride);
}

#if defined(__AVX512VNNI__)
void pack_pairs(const float* w, int rows, int n, bool half, void* panel) {
  if (half) pack_as<uint16_t, true>(w, rows, n, (uint16_t*)panel);
  else pack_as(w, rows, n, (float*)panel);
}

void round_to_pairs(const float* x, int n, void* to) {
  uint16_t* y = (uint16_t*)to;
  for (int k = 0; k < n; k += 16) {
    __m512i v = (__m512i)rounded(n - k < 16 ? load_some(x + k, n - k) : load(x + k));
    __m256i upper = _mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16));
    memcpy(y + k, &upper, sizeof *y * (n - k < 16 ? n - k : 16));
  }
}

void multiply_pairs(const void* x, int64_t from_stride, int rows, const Panels& w, int from, int to, float* y, int64_t stride) {
  if (w.half) multiply_as((const uint16_t*)x, from_stride, rows, (const uint16_t*)w.panels, w, from, to, y, stride);
  else multiply(x, from_stride, rows, w, from, to, y, stride);
}
#endif

// ---- what stands between products

void rms_norm(const float* x, const float* gain, const float* residual, float floor, int n, float* y) {
  int whole = n / 16 * 16;
  Floats squares = {};
  for (int k = 0; k < whole; k += 16) squares += load(x + k) * load(x + k);
  if (whole < n) {
    Floats v = load_some(x + whole, n - whole);
    squares += v * v;
  }
  float r = 1.0f / std::sqrt(sum(squares) + floor);
  for (int k = 0; k < whole; k += 16) {
    Floats v = load(x + k) * r * load(gain + k);
    store(y + k, residual ? load(residual + k) + v : v);
  }
  if (whole < n) {
    int some = n - whole;
    Floats v = load_some(x + whole, some) * r * load_some(gain + whole, some);
    store_some(y + whole, residual ? load_some(residual + whole, some) + v : v, some);
  }
}

void layer_norm(const float* x, const float* gain, const float* bias, float floor, int n, float* y) {
  int whole = n / 16 * 16;
  Floats total = {}, squares = {};
  for (int k = 0; k < whole; k += 16) total += load(x + k);
  if (whole < n) total += load_some(x + whole, n - whole);
  float mean = sum(total) / (float)n;
  for (int k = 0; k < whole; k += 16) squares += (load(x + k) - mean) * (load(x + k) - mean);
  float rest = 0;
  for (int k = whole; k < n; k++) rest += (x[k] - mean) * (x[k] - mean);
  float r = 1.0f / std::sqrt((sum(squares) + rest) / (float)n + floor);
  for (int k = 0; k < whole; k += 16) store(y + k, (load(x + k) - mean) * r * load(gain + k) + load(bias + k));
  if (whole < n) {
    int some = n - whole;
    store_some(y + whole, (load_some(x + whole, some) - mean) * r * load_some(gain + whole, some) + load_some(bias + whole, some), some);
  }
}

void rotate(float* x, const float* turns, int n) {
  for (int i = 0; i < n; i += 2) {
    float a = x[i], b = x[i + 1];
    x[i] = a * turns[i] - b * turns[i + 1];
    x[i + 1] = a * turns[i + 1] + b * turns[i];
  }
}

INLINE Floats activated(Floats x, int activation) {
  if (activation == SILU) return x * sigmoid(x);
  if (activation == GELU) return x * below(x);
  // x (1 + tanh u) / 2 = x sigmoid(2 u)
  if (activation == GELU_TANH) return x * sigmoid((x + 0.044715f * x * x * x) * 1.5957691216057308f);
  return x < 0.0f ? all(0.0f) : x;
}

template <int ACTIVATION>
static void activate_as(const float* gate, const float* up, int n, float* y) {
  int whole = n / 16 * 16;
  for (int k = 0; k < whole; k += 16) {
    Floats v = activated(load(gate + k), ACTIVATION);
    store(y + k, up ? v * load(up + k) : v);
  }
  if (whole < n) {
    int some = n - whole;
    Floats v = activated(load_some(gate + whole, some), ACTIVATION);
    store_some(y + whole, up ? v * load_some(up + whole, some) : v, some);
  }
}

void activate(const float* gate, const float* up, int activation, int n, float* y) {
  if (activation == SILU) activate_as<SILU>(gate, up, n, y);
  else if (activation == GELU) activate_as<GELU>(gate, up, n, y);
  else if (activation == GELU_TANH) activate_as<GELU_TANH>(gate, up, n, y);
  else activate_as<RELU>(gate, up, n, y);
}

// ---- attention of one query

template <typename T>
INLINE void prefetch(const T* p, int n) {
  for (int i = 0; i < n; i += 64 / (int)sizeof(T)) __builtin_prefetch(p + i, 0, 2);
}

// Bytes of keys or values that stay in a core's cache until they are used; of more, some slots are asked for shortly before.
constexpr int64_t KEPT = 1 << 19;
constexpr int SOON = 32;

// Products of q with 16 keys. BLOCKS of 16 numbers make a head, 0: any number d and a rest. Not inlined, as it is long and used for any number of heads.
template <int BLOCKS, typename T>
__attribute__((noinline)) static Floats scores_of_16(const float* q, int d, const T* const* keys) {
  Floats dots[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) {
    const T* key = keys[i];
    Floats dot = {};
    if constexpr (BLOCKS > 0) {
      dot = load(q) * load(key);
#pragma GCC unroll 16
      for (int j = 1; j < BLOCKS; j++) dot = dot + load(q + 16 * j) * load(key + 16 * j);
    } else {
      int whole = d / 16 * 16;
      for (int j = 0; j < whole; j += 16) dot = dot + load(q + j) * load(key + j);
      if (whole < d) dot = dot + load_some(q + whole, d - whole) * load_some(key + whole, d - whole);
    }
    dots[i] = dot;
  }
  return sums_of(dots);
}

// Keys or values by slot: the first `count` of them in one place, the others in another.
template <typename T>
struct Lines {
  const T* own;
  const T* shared;
  int count, d;
  __attribute__((always_inline)) const T* of(int slot) const { return (slot < count ? shared : own) + (int64_t)slot * d; }
};

// Probabilities times values, of 16 * WIDTH numbers of a head from `at` on, for GROUP query heads.
template <int HEADS, int BLOCKS, typename T>
__attribute__((noinline)) static void weighted(const Lines<T>& values, const float* room, int pitch, const float* totals, const Attention& a, const Lines<T>& next, int at, float* out) {
  int d = a.head_dim;
  Floats o[HEADS][BLOCKS] = {};
  for (int i = 0; i < a.slots; i++) {
    if (next.own) prefetch(next.of(i) + at, 16 * BLOCKS);
    const T* v = values.of(i) + at;
    Floats part[BLOCKS];
#pragma GCC unroll 4
    for (int j = 0; j < BLOCKS; j++) part[j] = load(v + 16 * j);
#pragma GCC unroll 4
    for (int g = 0; g < HEADS; g++) {
      float w = room[g * pitch + i];
#pragma GCC unroll 4
      for (int j = 0; j < BLOCKS; j++) o[g][j] = o[g][j] + part[j] * w;
    }
  }
  for (int g = 0; g < HEADS; g++)
    for (int j = 0; j < BLOCKS; j++) store(out + g * d + at + 16 * j, o[g][j] * totals[g]);
}

template <int HEADS, int BLOCKS, typename T>
static void attend_group(const float* q, const T* own_keys, const T* own_values, const Attention& a, const float* slopes, float* room, float* out) {
  int n = a.slots, d = a.head_dim, pitch = n + 16;
  bool kept = (int64_t)n * d * (int64_t)sizeof(T) <= KEPT;
  Lines<T> keys = {own_keys, (const T*)a.shared_keys, a.shared, d}, values = {own_values, (const T*)a.shared_values, a.shared, d};
  Lines<T> next = {(const T*)a.next, (const T*)a.next_shared, a.next_shared ? a.shared : 0, d};
  if (!kept) next = {own_values + (int64_t)SOON * d, (a.shared ? values.shared : own_values) + (int64_t)SOON * d, std::max(0, a.shared - SOON), d};
  // Keys of bfloat16 are widened once for all heads.
  constexpr bool WIDENED = sizeof(T) == 2 && BLOCKS > 0;
  float wide[WIDENED ? 16 * 16 * BLOCKS : 1];
  const std::conditional_t<WIDENED, float, T>* at_key[16];
  float totals[HEADS];
  Floats most[HEADS];
  for (int g = 0; g < HEADS; g++) most[g] = all(-INFINITY);
  for (int slot = 0; slot < n; slot += 16) {
    int here = n - slot < 16 ? n - slot : 16;
    if (kept) {
      // Values come while keys are multiplied, the next head's keys while values are.
      prefetch(values.of(slot), here * d);
    } else if (slot + SOON + 16 <= n) {
      prefetch(keys.of(slot + SOON), 16 * d);
    }
    for (int i = 0; i < 16; i++) {
      // Behind the last slot the last one again, whose score is not used.
      const T* key = keys.of(i < here ? slot + i : n - 1);
      if constexpr (WIDENED) {
        at_key[i] = wide + i * 16 * BLOCKS;
        for (int j = 0; j < 16 * BLOCKS; j += 16) store(wide + i * 16 * BLOCKS + j, load(key + j));
      } else {
        at_key[i] = key;
      }
    }
    for (int g = 0; g < HEADS; g++) {
      Floats s = scores_of_16<BLOCKS>(q + g * d, d, at_key) * a.scale;
      if (a.cap > 0.0f) s = tangent(s / a.cap) * a.cap;
      if (slopes) {
        Floats away = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        s = s - ((float)(n - 1 - slot) - away) * slopes[g];
      }
      store(room + g * pitch + slot, s);
      if (here < 16) {
        // What is behind the last slot has no share.
        for (int i = here; i < 16; i++) room[g * pitch + slot + i] = -INFINITY;
        s = load(room + g * pitch + slot);
      }
      most[g] = larger(most[g], s);
    }
  }
  for (int g = 0; g < HEADS; g++) {
    float m = largest(most[g]);
    Floats total = {};
    for (int i = 0; i < n; i += 16) {
      Floats s = load(room + g * pitch + i);
      Floats e = exponential(s - m);
      // e^-87 is not nothing
      e = s == -INFINITY ? all(0.0f) : e;
      store(room + g * pitch + i, e);
      total = total + e;
    }
    totals[g] = 1.0f / sum(total);
  }
  int at = 0;
  for (; at + 16 * WIDTH <= d; at += 16 * WIDTH) weighted<HEADS, WIDTH>(values, room, pitch, totals, a, next, at, out);
  for (; at + 16 <= d; at += 16) weighted<HEADS, 1>(values, room, pitch, totals, a, next, at, out);
  if (at < d)
    for (int g = 0; g < HEADS; g++) {
      Floats o = {};
      for (int i = 0; i < n; i++) o = o + load_some(values.of(i) + at, d - at) * room[g * pitch + i];
      store_some(out + g * d + at, o * totals[g], d - at);
    }
}

template <int BLOCKS, typename T>
static void attend_blocks(const float* q, const T* keys, const T* values, int group, const Attention& a, float* room, float* out) {
  for (int g = 0; g < group;) {
    int some = group - g < GROUP ? group - g : GROUP;
    const float* slopes = a.slopes ? a.slopes + g : nullptr;
    const float* from = q + (int64_t)g * a.head_dim;
    float* to = out + (int64_t)g * a.head_dim;
    if (GROUP >= 4 && some == 4) attend_group<GROUP >= 4 ? 4 : 1, BLOCKS>(from, keys, values, a, slopes, room, to);
    else if (GROUP >= 3 && some == 3) attend_group<GROUP >= 3 ? 3 : 1, BLOCKS>(from, keys, values, a, slopes, room, to);
    else if (GROUP >= 2 && some == 2) attend_group<GROUP >= 2 ? 2 : 1, BLOCKS>(from, keys, values, a, slopes, room, to);
    else attend_group<1, BLOCKS>(from, keys, values, a, slopes, room, to);
    g += some;
  }
}

template <typename T>
static void attend_to(const float* q, const T* keys, const T* values, int group, const Attention& a, float* room, float* out) {
  // Heads of one size have all loops unrolled.
  if (a.head_dim == 64) attend_blocks<4>(q, keys, values, group, a, room, out);
  else if (a.head_dim == 128) attend_blocks<8>(q, keys, values, group, a, room, out);
  else if (a.head_dim == 256) attend_blocks<16>(q, keys, values, group, a, room, out);
  else attend_blocks<0>(q, keys, values, group, a, room, out);
}

void attend(const float* q, const void* keys, const void* values, int group, const Attention& a, float* room, float* out) {
  if (a.half) attend_to(q, (const uint16_t*)keys, (const uint16_t*)values, group, a, room, out);
  else attend_to(q, (const float*)keys, (const float*)values, group, a, room, out);
}

// ---- the choice of a token

// Numbers whose sum is looked at before they are one by one.
constexpr int BLOCK = 256;

INLINE Floats some_of(const float* x, int n) { return n >= 16 ? load(x) : load_some(x, n); }

// What exponential() cuts off is nothing, beside 1.
INLINE Floats share(Floats x, float most) {
  Floats s = x - most;
  return s < -87.0f ? all(0.0f) : exponential(s);
}

// e^(x - most) in place of x [n], and their sum.
static float shares_of(float* x, int n, float most) {
  Floats total = {};
  int whole = n / 16 * 16;
  for (int i = 0; i < whole; i += 16) {
    Floats e = share(load(x + i), most);
    store(x + i, e);
    total += e;
  }
  if (whole < n) {
    store_some(x + whole, share(load_some(x + whole, n - whole), most), n - whole);
    total += load_some(x + whole, n - whole);
  }
  return sum(total);
}

static float sum_of(const float* x, int n) {
  Floats total = {};
  for (int i = 0; i < n; i += 16) total += some_of(x + i, n - i);
  return sum(total);
}

INLINE int block_at(int from, int n) { return n - from < BLOCK ? n - from : BLOCK; }

// x [n] over the temperature, and the largest of it. These three are not inlined: what is chosen and what is asked for come to the same bits.
__attribute__((noinline)) static float tempered(float* x, int n, float temperature) {
  float most = -INFINITY;
  bool scaled = temperature != 0.0f && temperature != 1.0f;
  for (int from = 0; from < n; from += BLOCK) {
    Floats m = all(-INFINITY);
    int some = block_at(from, n), i = 0;
    for (; i + 16 <= some; i += 16) {
      Floats v = load(x + from + i);
      if (scaled) store(x + from + i, v = v / temperature);
      m = larger(m, v);
    }
    float here = largest(m);
    for (; i < some; i++) {
      if (scaled) x[from + i] /= temperature;
      here = here > x[from + i] ? here : x[from + i];
    }
    most = most > here ? most : here;
  }
  return most;
}

// e^(x - most) in place of x [n], and their sum. Sums of blocks are added up in double: there is no share below 1 that they do not reach.
__attribute__((noinline)) static double all_shares(float* x, int n, float most) {
  double total = 0;
  for (int from = 0; from < n; from += BLOCK) total += shares_of(x + from, block_at(from, n), most);
  return total;
}

__attribute__((noinline)) static float logarithm(float share, double total) { return (float)(std::log((double)share) - std::log(total)); }

int choose(float* x, int n, float temperature, float u, float* logprob) {
  float most = tempered(x, n, temperature);
  int chosen = 0;
  if (temperature == 0.0f)
    while (chosen < n - 1 && x[chosen] != most) chosen++;
  double total = all_shares(x, n, most), before = 0;
  if (temperature != 0.0f) {
    double wanted = u * total;
    for (int from = 0; from < n; from += BLOCK) {
      int some = block_at(from, n);
      double block = sum_of(x + from, some);
      if (before + block > wanted) {
        // One by one the sum is another by a rounding: at the end the last that has a share.
        for (int i = from; i < from + some && before <= wanted; i++) {
          before += x[i];
          if (x[i] > 0.0f) chosen = i;
        }
        break;
      }
      before += block;
    }
  }
  *logprob = logarithm(x[chosen], total);
  return chosen;
}

float logprob_of(float* x, int n, float temperature, int token) {
  float most = tempered(x, n, temperature), own = x[token];
  double total = all_shares(x, n, most);
  // What the exponential cuts off has a logarithm nevertheless.
  return x[token] > 0.0f ? logarithm(x[token], total) : (float)((double)own - most - std::log(total));
}

void bend(float* x, float cap, int n) {
  int whole = n / 16 * 16;
  for (int i = 0; i < whole; i += 16) store(x + i, tangent(load(x + i) / cap) * cap);
  if (whole < n) store_some(x + whole, tangent(load_some(x + whole, n - whole) / cap) * cap, n - whole);
}

// blocks.cpp
void arrange(const uint8_t* q, int inputs, bool four, int8_t* x, int32_t* offsets);
void scales_of(const uint8_t* codes, int n, const float* table, float by, float offset, float* y);
void blocks(const Arranged& high, const Arranged* low, const float* scale, int rows, const Blocks& w, float* y, int64_t stride);

extern const Kernels kernels;
const Kernels kernels = {NAME, LARGEST, false, pack, quantise, product, pack_numbers, round, multiply, rms_norm, layer_norm, rotate, activate, attend, choose, logprob_of, bend, arrange, scales_of, blocks};

#if defined(__AVX512VNNI__)
extern const Kernels by_pairs;
const Kernels by_pairs = {"avx512-bf16", LARGEST,    true,   pack,   quantise, product, pack_pairs, round_to_pairs, multiply_pairs,
                          rms_norm,      layer_norm, rotate, activate, attend, choose,  logprob_of, bend, arrange, scales_of, blocks};
#endif

}  // namespace SET
}  // namespace troupe
