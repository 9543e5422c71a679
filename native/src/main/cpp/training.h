// What the operators of training and scoring share, and those of weights in blocks.
#pragma once
#include <ATen/ATen.h>

#include "passes.h"

namespace troupe {

// Those of the instructions that this process uses (operators.cpp).
const Passes& passes();
const Kernels& decoding();

// Numbers of a tensor by row: as many as the last dimension has, which is contiguous.
struct Rows {
  char* first;
  int64_t stride;  // bytes
  bool narrow;

  explicit Rows(const at::Tensor& x)
      : first((char*)x.data_ptr()), stride((x.dim() > 1 ? x.stride(-2) : x.size(-1)) * x.element_size()), narrow(x.scalar_type() == at::kBFloat16) {}

  char* at(int64_t row, int64_t column) const { return first + row * stride + column * (narrow ? 2 : 4); }
  From from(int64_t row, int64_t column = 0) const { return {at(row, column), narrow}; }
  To to(int64_t row, int64_t column = 0) const { return {at(row, column), narrow}; }
};

inline bool is_numbers(const at::Tensor& x) { return x.device().is_cpu() && (x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kFloat); }

// [rows, columns], its rows contiguous: x itself where it is so.
inline at::Tensor by_row(const at::Tensor& x) { return x.stride(-1) == 1 || x.size(-1) == 1 ? x : x.contiguous(); }

// Whether products of bfloat16 are faster here in float32, factors widened.
bool widens();

// c [rows, columns] = a b + beta c, all float32 and by row: aᵀ where a_turned, of a [inner, rows], bᵀ where b_turned, of b [columns, inner]; with from one row to
// the next. The product is that which torch's own products call.
void multiply(bool a_turned, bool b_turned, int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_stride, const float* b, int64_t b_stride, float beta,
              float* c, int64_t c_stride);

}  // namespace troupe
