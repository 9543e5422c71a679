// Products of bytes with weights that are held in blocks (held.cpp), of which one block has one scale: codes of four bits, made bytes by a table where they are multiplied, or
// bytes. Compiled once per instruction set, as kernels.cpp: -DSET=name and the flags of build.sh.
#include <cstring>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels.h"

namespace troupe {
namespace SET {

#include "vectors.h"
#include "instructions.h"

// Signed bytes, 64 of them: `Dots` holds 16 sums, dots() adds to each the products of four codes and four activations. Where a processor multiplies unsigned bytes with
// signed ones alone, codes are around 128, and sums begin with what that is too much.
#if defined(__AVX512VNNI__)
typedef __m512i Codes;
typedef __m512i Dots;
constexpr bool AROUND_128 = true;
INLINE Codes turned(Codes c) { return _mm512_xor_si512(c, _mm512_set1_epi8((char)128)); }
INLINE Codes table_of(const int8_t* p) { return turned(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)p))); }
INLINE Codes first_of(const uint8_t* p, Codes table) {
  return _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(_mm512_loadu_si512(p), 4), _mm512_set1_epi8(15)));
}
INLINE Codes second_of(const uint8_t* p, Codes table) { return _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi8(15))); }
INLINE Codes bytes_of(const uint8_t* p) { return turned(_mm512_loadu_si512(p)); }
INLINE Dots beginning(const int32_t* offsets) { return _mm512_loadu_si512(offsets); }
INLINE Dots dots(Dots sums, Codes w, const int8_t* x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(w), "m"(*(const __m512i*)x));
  return sums;
}
INLINE Ints whole(Dots sums) { return (Ints)sums; }
INLINE void offsets_of(const int8_t* x, int count, int32_t* offsets) {
  __m512i sums = _mm512_setzero_si512(), ones = _mm512_set1_epi8(1);
  for (int i = 0; i < count; i++) sums = dots(sums, ones, x + 64 * i);
  _mm512_storeu_si512(offsets, _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sums, 7)));
}
#else
constexpr bool AROUND_128 = false;
INLINE void offsets_of(const int8_t*, int, int32_t*) {}
#if defined(__AVX2__)
struct Codes { __m256i low, high; };
typedef Sums Dots;
INLINE Codes table_of(const int8_t* p) {
  __m256i t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p));
  return {t, t};
}
INLINE __m256i some(const uint8_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
INLINE __m256i nibbles(__m256i x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
INLINE Codes first_of(const uint8_t* p, Codes table) {
  return {_mm256_shuffle_epi8(table.low, nibbles(_mm256_srli_epi16(some(p), 4))), _mm256_shuffle_epi8(table.low, nibbles(_mm256_srli_epi16(some(p + 32), 4)))};
}
INLINE Codes second_of(const uint8_t* p, Codes table) { return {_mm256_shuffle_epi8(table.low, nibbles(some(p))), _mm256_shuffle_epi8(table.low, nibbles(some(p + 32)))}; }
INLINE Codes bytes_of(const uint8_t* p) { return {some(p), some(p + 32)}; }
INLINE Dots beginning(const int32_t*) { return none(); }
// Two products are added in 16 bits first: 2 * 128 * 127 fits.
INLINE __m256i four(__m256i w, __m256i x) { return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)), _mm256_set1_epi16(1)); }
INLINE Dots dots(Dots sums, Codes w, const int8_t* x) {
  return {_mm256_add_epi32(sums.low, four(w.low, some((const uint8_t*)x))), _mm256_add_epi32(sums.high, four(w.high, some((const uint8_t*)x + 32)))};
}
INLINE Ints whole(Dots sums) { return integers(sums); }
#elif defined(__ARM_FEATURE_DOTPROD)
struct Codes { int8x16_t of[4]; };
struct Dots { int32x4_t of[4]; };
INLINE Codes table_of(const int8_t* p) { return {{vld1q_s8(p), vdupq_n_s8(0), vdupq_n_s8(0), vdupq_n_s8(0)}}; }
INLINE Codes first_of(const uint8_t* p, Codes table) {
  Codes out;
  for (int i = 0; i < 4; i++) out.of[i] = vqtbl1q_s8(table.of[0], vshrq_n_u8(vld1q_u8(p + 16 * i), 4));
  return out;
}
INLINE Codes second_of(const uint8_t* p, Codes table) {
  Codes out;
  for (int i = 0; i < 4; i++) out.of[i] = vqtbl1q_s8(table.of[0], vandq_u8(vld1q_u8(p + 16 * i), vdupq_n_u8(15)));
  return out;
}
INLINE Codes bytes_of(const uint8_t* p) {
  Codes out;
  for (int i = 0; i < 4; i++) out.of[i] = vreinterpretq_s8_u8(vld1q_u8(p + 16 * i));
  return out;
}
INLINE Dots beginning(const int32_t*) {
  int32x4_t zero = vdupq_n_s32(0);
  return {{zero, zero, zero, zero}};
}
INLINE Dots dots(Dots sums, Codes w, const int8_t* x) {
  for (int i = 0; i < 4; i++) sums.of[i] = vdotq_s32(sums.of[i], w.of[i], vld1q_s8(x + 16 * i));
  return sums;
}
INLINE Ints whole(Dots sums) { return together(sums.of[0], sums.of[1], sums.of[2], sums.of[3]); }
#else
struct Codes { int8_t of[64]; };
typedef Ints Dots;
INLINE Codes table_of(const int8_t* p) {
  Codes out = {};
  memcpy(out.of, p, 16);
  return out;
}
INLINE Codes first_of(const uint8_t* p, Codes table) {
  Codes out;
  for (int i = 0; i < 64; i++) out.of[i] = table.of[p[i] >> 4];
  return out;
}
INLINE Codes second_of(const uint8_t* p, Codes table) {
  Codes out;
  for (int i = 0; i < 64; i++) out.of[i] = table.of[p[i] & 15];
  return out;
}
INLINE Codes bytes_of(const uint8_t* p) {
  Codes out;
  memcpy(out.of, p, sizeof out.of);
  return out;
}
INLINE Dots beginning(const int32_t*) { return Dots{}; }
INLINE Dots dots(Dots sums, Codes w, const int8_t* x) {
  for (int i = 0; i < 16; i++) sums[i] += w.of[4 * i] * x[4 * i] + w.of[4 * i + 1] * x[4 * i + 1] + w.of[4 * i + 2] * x[4 * i + 2] + w.of[4 * i + 3] * x[4 * i + 3];
  return sums;
}
INLINE Ints whole(Dots sums) { return sums; }
#endif
#endif

void scales_of(const uint8_t* codes, int n, const float* table, float by, float offset, float* y) {
  int i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    __m512 numbers = _mm512_i32gather_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)(codes + i))), table, 4);
    store(y + i, (Floats)numbers * by + offset);
  }
#endif
  for (; i < n; i++) y[i] = table[codes[i]] * by + offset;
}

// A chunk is 64 bytes of codes. Of four bits it holds 128 numbers, whose even places are arranged before the odd ones, as codes are above and below.
void arrange(const uint8_t* q, int inputs, bool four, int8_t* x, int32_t* offsets) {
  int chunk = four ? 128 : 64;
  for (int at = 0; at < inputs; at += chunk, x += chunk, offsets += 16) {
    uint8_t last[128];
    const uint8_t* from = q + at;
    if (inputs - at < chunk) {
      memset(last, 128, sizeof last);
      from = (const uint8_t*)memcpy(last, from, inputs - at);
    }
    if (four) {
      uint16_t pairs[64];
      memcpy(pairs, from, sizeof pairs);
      for (int i = 0; i < 64; i++) {
        x[i] = (int8_t)((pairs[i] & 255) ^ 128);
        x[64 + i] = (int8_t)((pairs[i] >> 8) ^ 128);
      }
    } else {
      for (int i = 0; i < 64; i++) x[i] = (int8_t)(from[i] ^ 128);
    }
    offsets_of(x, chunk / 64, offsets);
  }
}

// Bytes of codes that are asked for ahead: of one output after another, which most matrices hold so.
constexpr int AHEAD = 4096;

INLINE Floats two(float a, float b) {
#if defined(__AVX512F__)
  return (Floats)_mm512_insertf32x8(_mm512_set1_ps(a), _mm256_set1_ps(b), 1);
#else
  Floats x = all(a);
  for (int i = 8; i < 16; i++) x[i] = b;
  return x;
#endif
}

// Sums of ROWS rows with one output, in parts that are to be added up: as each chunk has scales of its own, it is made numbers. The sums have names, as in kernels.cpp.
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define BEGIN(s) Floats t##s = {};
#define STEP(s)                                                                                     \
  if constexpr (s < ROWS) {                                                                         \
    Dots d = dots(beginning(offsets + ((int64_t)s * chunks + c) * 16), a, x + ((int64_t)s * chunks + c) * CHUNK); \
    if constexpr (FOUR) d = dots(d, b, x + ((int64_t)s * chunks + c) * CHUNK + 64);                 \
    t##s = fused(__builtin_convertvector(whole(d), Floats), scale, t##s);                           \
  }
#define END(s) if constexpr (s < ROWS) out[s * AT_ONCE] = t##s;
template <int ROWS, bool FOUR>
static void tile(const int8_t* x, const int32_t* offsets, const Blocks& w, int output, Codes table, Floats* out) {
  constexpr int CHUNK = FOUR ? 128 : 64, BYTES = FOUR ? UNIT / 2 : UNIT;
  const uint8_t* codes = w.codes[output];
  const float* scales = w.scales + (int64_t)output * w.units;
  int chunks = (w.units * UNIT + CHUNK - 1) / CHUNK;
  EACH(BEGIN)
  for (int c = 0; c < chunks; c++) {
    uint8_t last[64];
    const uint8_t* p = codes + 64 * (int64_t)c;
    __builtin_prefetch(p + AHEAD, 0, 2);
    Floats scale;
    if constexpr (FOUR) {
      bool half = 2 * c + 1 == w.units;
      if (half) {
        // Activations of what is behind are 0.
        memset(last, 0, sizeof last);
        p = (const uint8_t*)memcpy(last, p, BYTES);
      }
      scale = two(scales[2 * c], half ? 0.0f : scales[2 * c + 1]);
    } else {
      scale = all(scales[c]);
    }
    Codes a, b;
    if constexpr (FOUR) a = first_of(p, table), b = second_of(p, table);
    else a = b = bytes_of(p);
    EACH(STEP)
  }
  EACH(END)
}

typedef void (*Tile)(const int8_t*, const int32_t*, const Blocks&, int, Codes, Floats*);
#define TILES(four) {nullptr, tile<1, four>, tile<2, four>, tile<3, four>, tile<4, four>, tile<5, four>, tile<6, four>, tile<7, four>, tile<8, four>}
constexpr Tile TILES_OF[2][9] = {TILES(false), TILES(true)};
constexpr int TILE_ROWS = 8;

void blocks(const Arranged& high, const Arranged* low, const float* scale, int rows, const Blocks& w, float* y, int64_t stride) {
  bool four = w.table;
  int chunk = four ? 128 : 64, chunks = (w.units * UNIT + chunk - 1) / chunk;
  Codes table = {};
  if (four) table = table_of(w.table);
  Floats parts[TILE_ROWS][AT_ONCE], rest[TILE_ROWS][AT_ONCE];
  for (int row = 0; row < rows; row += TILE_ROWS) {
    int count = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
    int64_t at = (int64_t)row * chunks;
    for (int n = 0; n < AT_ONCE; n++) {
      if (n < w.outputs) {
        TILES_OF[four][count](high.bytes + at * chunk, high.offsets + at * 16, w, n, table, &parts[0][n]);
        if (low) TILES_OF[four][count](low->bytes + at * chunk, low->offsets + at * 16, w, n, table, &rest[0][n]);
      } else {
        for (int i = 0; i < count; i++) parts[i][n] = rest[i][n] = Floats{};
      }
    }
    for (int i = 0; i < count; i++) {
      Floats f = sums_of(parts[i]);
      if (low) f = fused(sums_of(rest[i]), all(SECOND), f);
      f = f * (scale[row + i] * w.step);
      float* out = y + (row + i) * stride;
      if (w.outputs == AT_ONCE) store(out, f);
      else store_some(out, f, w.outputs);
    }
  }
}

}  // namespace SET
}  // namespace troupe
