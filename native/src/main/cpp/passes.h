// What stands between the products of training and scoring, and its gradients, without torch: what the operators (between.cpp, attention.cpp) and the checks
// (src/test/cpp) both call.
//
// Numbers are float32 or bfloat16, arithmetic is in float32 and a result is rounded once. As of kernels.h: every pass works on one row by itself, what it adds up
// and in which order depends on that row alone; none allocates, throws or starts a thread; callers check shapes.
#pragma once
#include <cstdint>

#include "kernels.h"

namespace troupe {

// A row of numbers: float32, or bfloat16 where narrow.
struct From {
  const void* at;
  bool narrow;
};
struct To {
  void* at;
  bool narrow;
};

// What is done to a head of q or k before attention: y = turned(norm(x)) * scale.
struct Head {
  const float* gain;   // [n], of an RMS norm; null for none
  float plus, eps;     // as of a norm
  const float* turns;  // [n], cosine and sine of each pair of neighbours in turn; null for none
  float scale;
};

struct Passes {
  const char* name;
  // y = x r (gain + plus), r = 1 / sqrt(|x|² / n + eps), which is returned
  float (*norm)(From x, const float* gain, float plus, float eps, int n, To y);
  // of_x, in the numbers of x, by of_y, that of the result; to of_gain [n] is added, unless it is null
  void (*norm_back)(From x, float r, const float* gain, float plus, From of_y, int n, To of_x, float* of_gain);
  // y = activation(gate) * up, all in the same numbers; up.at may be null
  void (*gate)(From gate, From up, int activation, int n, To y);
  // of_up is not written where up.at is null
  void (*gate_back)(From gate, From up, From of_y, int activation, int n, To of_gate, To of_up);
  void (*head)(From x, const Head& how, int n, float* y);
  // of_x is in the numbers of x; room for n numbers; to of_gain [n] is added, unless it is null
  void (*head_back)(From x, const Head& how, const float* of_y, int n, float* room, To of_x, float* of_gain);
  void (*copy)(From x, int n, To y);
  // n numbers from `first` on of what is held in blocks: signed bytes, or where there is a table of 16 codes of four bits, two in a byte, the first above; times their
  // block's scale. Of codes, first and block are even.
  void (*held)(const uint8_t* codes, const float* table, const float* scales, int block, int first, int n, To y);
  // Scores s [n] become probabilities: of those from ... to - 1; the others become 0.
  void (*softmax)(float* s, int from, int to, int n);
  // of_p, the gradient of probabilities p, becomes that of scores
  void (*softmax_back)(const float* p, float* of_p, int from, int to, int n);
};

// Those beside the kernels of this name (processors.cpp).
const Passes* passes_named(const char* name);

}  // namespace troupe
