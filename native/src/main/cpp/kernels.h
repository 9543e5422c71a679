// The arithmetic of a decoding step, without torch: what the operators (operators.cpp) and the checks (src/test/cpp) both call.
//
// Every kernel works on one row, or on rows that it does not mix: what it adds up for a row, and in which order, depends on that row alone, so a row's bits
// do not depend on the rows beside it, on their number or on the thread. No kernel allocates, throws or starts a thread; callers check shapes.
#pragma once
#include <cstdint>

namespace troupe {

// Outputs of one panel: weights are held panel by panel, and within one by groups of 4 inputs, [panels][inputs / 4][48][4], so that a product reads memory
// in one stream.
constexpr int PANEL = 48;

// Inputs are filled up with zeros to a multiple of this.
constexpr int INPUTS = 32;

// What the second byte of an activation counts, of the first: one half is split into 127 parts.
constexpr float SECOND = 1.0f / 254.0f;

// A matrix of int8: output n of input row x is scale[n] * sum_k byte[n, k] x[k].
struct Bytes {
  const int8_t* panels;
  const float* scale;    // [outputs]
  const int32_t* sums;   // [outputs], 128 times the sum of the output's bytes: activations are around 128
  int outputs;
  int inputs;            // filled up
};

// A matrix of float32 or bfloat16, in panels [panels][inputs][48]; a sum goes through the inputs in their order. Kernels that multiply bfloat16 by pairs hold it as
// [panels][inputs / 2][48][2], an odd last input as before, and a sum goes through pairs.
struct Panels {
  const void* panels;
  bool half;             // bfloat16
  int outputs;
  int inputs;
};

// Numbers of a row of weights in blocks that share a scale, at least, and outputs that are multiplied at once.
constexpr int UNIT = 64;
constexpr int AT_ONCE = 16;

// Some outputs of a matrix that is held in blocks: output n of row x is sum_k step code[n, k] x[k] scale[n, k / UNIT]. Of four bits, two codes lie in a byte, the first above.
struct Blocks {
  const uint8_t* codes[AT_ONCE];  // where those of each output begin
  const float* scales;            // [outputs, units]
  int outputs;                    // at most AT_ONCE
  int units;
  const int8_t* table;            // [16], what codes of four bits stand for, in steps; null for signed bytes
  float step;
};

// Rows of bytes as products with blocks take them, one after the other, filled up to whole chunks of 64 bytes of codes.
struct Arranged {
  const int8_t* bytes;
  const int32_t* offsets;  // [rows, chunks, 16]
};

// How one token of one row looks at the cache. Slots are counted from the first that it sees; the last of them holds its own key and value.
struct Attention {
  int slots;
  int head_dim;
  float scale;           // of the scores
  float cap;             // scores are bent to cap * tanh(score / cap); 0 for not
  const float* slopes;   // of ALiBi, one per query head; null for none
  bool half = false;     // keys and values are bfloat16, else float32
  const void* next = nullptr;  // as many keys that will be looked at after these, to be asked for; null for none
  // The first `shared` slots are read from here instead, as rows of one prompt have them in common: what the caches hold for them is the same.
  int shared = 0;
  const void* shared_keys = nullptr;
  const void* shared_values = nullptr;
  const void* next_shared = nullptr;  // as next, of those slots
};

enum Activation { SILU = 0, GELU = 1, GELU_TANH = 2, RELU = 3 };

struct Kernels {
  const char* name;
  // The largest weight, in steps, whose products of bytes come out exact.
  int largest;
  // Whether bfloat16 is multiplied by pairs.
  bool pairs;
  // One panel of a matrix: `rows` outputs of w [rows, n], at most PANEL, and their scales and sums. One step is the largest number over `largest`.
  void (*pack)(const float* w, int rows, int n, int padded, int8_t* panel, float* scale, int32_t* sums);
  // x [n] as bytes around 128, filled up to `padded` with 128; what the first byte leaves over as a second one in low, unless null. One step is *scale.
  void (*quantise)(const float* x, int n, int padded, uint8_t* q, uint8_t* low, float* scale);
  // y[rows, panels from ... to) = bytes [rows, inputs] and their scales, with w. `low` adds second bytes, unless null. stride: from one row of y to the next.
  void (*product)(const uint8_t* q, const uint8_t* low, const float* scale, int rows, const Bytes& w, int from, int to, float* y, int64_t stride);
  // One panel of a matrix of numbers: `rows` outputs of w [rows, n], at most PANEL; to bfloat16 rounded, halves to even.
  void (*pack_numbers)(const float* w, int rows, int n, bool half, void* panel);
  // y = x [n] as multiply() takes it with bfloat16: rounded to that, and where it multiplies pairs in two bytes each, else as float32.
  void (*round)(const float* x, int n, void* y);
  // y[rows, panels from ... to) = x [rows, inputs] times w; strides: numbers from one row to the next.
  void (*multiply)(const void* x, int64_t from_stride, int rows, const Panels& w, int from, int to, float* y, int64_t stride);
  // y = x / sqrt(|x|² + floor) * gain, and + residual unless null; y may be x.
  void (*rms_norm)(const float* x, const float* gain, const float* residual, float floor, int n, float* y);
  // y = (x - mean) / sqrt(variance + floor) * gain + bias.
  void (*layer_norm)(const float* x, const float* gain, const float* bias, float floor, int n, float* y);
  // Pairs of neighbours of x [n], as complex numbers, times turns [n].
  void (*rotate)(float* x, const float* turns, int n);
  // y = activation(gate) * up; up may be null.
  void (*activate)(const float* gate, const float* up, int activation, int n, float* y);
  // `group` query heads q [group, head_dim] on keys and values [slots, head_dim] of the one head that they share; out as q.
  // room: for group * (slots + 16) numbers.
  void (*attend)(const float* q, const void* keys, const void* values, int group, const Attention& a, float* room, float* out);
  // One of n tokens by its logits over the temperature, which are overwritten: the first up to which the probabilities add up to more than a share u, or at
  // temperature 0 the first of the largest logit, which has no number of probability 0. Its log-probability among all in *logprob, at temperature 0 that at 1; no
  // number there if any logit is none.
  int (*choose)(float* logits, int n, float temperature, float u, float* logprob);
  // The log-probability of a token at the temperature, at 0 that at 1, bit for bit as choose() gives it; logits are overwritten.
  float (*logprob_of)(float* logits, int n, float temperature, int token);
  // x [n] becomes cap * tanh(x / cap).
  void (*bend)(float* x, float cap, int n);
  // q [inputs] of quantise(), its padding aside, as blocks() takes it with codes of four bits or of eight: to x [chunks * 128 or 64] and offsets [chunks * 16].
  void (*arrange)(const uint8_t* q, int inputs, bool four, int8_t* x, int32_t* offsets);
  // y [n] = table[codes] by + offset, of scales that are held in bytes.
  void (*scales_of)(const uint8_t* codes, int n, const float* table, float by, float offset, float* y);
  // y [rows, outputs] = rows and their scales, with w; `low` adds second bytes, unless null. stride: from one row of y to the next.
  void (*blocks)(const Arranged& high, const Arranged* low, const float* scale, int rows, const Blocks& w, float* y, int64_t stride);
};

// By the processor: the fastest that it has, or the one of this name; null where it is not known or the processor lacks it.
const Kernels* kernels_named(const char* name);
const Kernels* kernels_of_processor();

}  // namespace troupe
