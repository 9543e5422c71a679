// Products of training and scoring with weights in bfloat16 on processors that multiply float32 faster than bfloat16: both factors are widened, which is
// exact, and torch multiplies and adds in float32. Weights are widened some rows at a time, so that no whole copy of them exists. That a row's bits do not
// depend on other rows is not promised here: torch's products choose their order by the number of rows.
#include <ATen/Parallel.h>
#include <ATen/cpu/Utils.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>

#include "training.h"

namespace {

using at::Tensor;
using troupe::multiply;
using troupe::Rows;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
typedef std::optional<Tensor> Maybe;

// Numbers of a weight that are widened at once, 2 MiB: they stay in a core's cache while they are multiplied.
constexpr int64_t NUMBERS = 1 << 19;

// Rows of x that are widened at once.
constexpr int64_t ROWS = 1024;

int64_t parts(int64_t all, int64_t most) { return (all + most - 1) / most; }

// of a weight's rows that are widened at once, in parts that are alike
int64_t panel(const Tensor& w) {
  int64_t most = std::max<int64_t>(64, NUMBERS / std::max<int64_t>(1, w.size(1)));
  return parts(w.size(0), parts(w.size(0), most));
}

void check(const char* where, const Tensor& x, int64_t width, const Tensor& w) {
  TORCH_CHECK(w.device().is_cpu() && w.scalar_type() == at::kBFloat16 && w.dim() == 2 && w.size(0) > 0 && w.size(1) > 0, where,
              ": the weight must be a bfloat16 matrix on the CPU, is ", w.scalar_type(), " ", w.sizes(), " on ", w.device());
  TORCH_CHECK(x.device().is_cpu() && (x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kFloat) && x.dim() == 2 && x.size(1) == width, where,
              ": the rows must be bfloat16 or float32 with ", width, " numbers each for a weight ", w.sizes(), ", are ", x.scalar_type(), " ", x.sizes(), " on ",
              x.device());
}

Tensor room(const Tensor& like, int64_t rows, int64_t columns) { return at::empty({rows, columns}, like.options().dtype(at::kFloat)); }

// rows of `columns` numbers
void copy(const Rows& from, int64_t from_row, int64_t from_column, const Rows& to, int64_t to_row, int64_t to_column, int64_t rows, int64_t columns) {
  const troupe::Passes& passes = troupe::passes();
  at::parallel_for(0, rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) passes.copy(from.from(from_row + i, from_column), (int)columns, to.to(to_row + i, to_column));
  });
}

// The same of matrices, to, too.
Tensor copied(const Tensor& from, const Tensor& to) {
  copy(Rows(from), 0, 0, Rows(to), 0, 0, from.size(0), from.size(1));
  return to;
}

// x in float32: itself, or in `room`
Tensor widened(const Tensor& x, const Tensor& room) { return x.scalar_type() == at::kFloat ? x : copied(x, room.narrow(0, 0, x.size(0))); }

// x wᵀ in the numbers of x
Tensor times_transposed(const Tensor& given, const Tensor& weight) {
  check("troupe::wide_linear", given, weight.size(1), weight);
  Tensor x = troupe::by_row(given), w = troupe::by_row(weight);
  bool narrow = x.scalar_type() == at::kBFloat16;
  int64_t rows = x.size(0), block = std::min(rows, ROWS), step = panel(w);
  Tensor y = at::empty({rows, w.size(0)}, x.options());
  Tensor wide = room(w, step, w.size(1)), from = room(x, narrow ? block : 0, w.size(1)), to = at::empty({narrow ? block * step : 0}, wide.options());
  for (int64_t i = 0; i < rows; i += block) {
    int64_t n = std::min(block, rows - i);
    Tensor own = widened(x.narrow(0, i, n), from);
    for (int64_t p = 0; p < w.size(0); p += step) {
      int64_t m = std::min(step, w.size(0) - p);
      Tensor some = widened(w.narrow(0, p, m), wide), out = y.narrow(0, i, n).narrow(1, p, m);
      if (narrow) {
        Tensor exact = to.narrow(0, 0, n * m).view({n, m});
        at::mm_out(exact, own, some.t());
        copied(exact, out);
      } else {
        at::mm_out(out, own, some.t());
      }
    }
  }
  return y;
}

// y w in the numbers of y: the gradient of x
Tensor times(const Tensor& given, const Tensor& weight) {
  check("troupe::wide_product", given, weight.size(0), weight);
  Tensor y = troupe::by_row(given), w = troupe::by_row(weight);
  bool narrow = y.scalar_type() == at::kBFloat16;
  int64_t rows = y.size(0), block = std::min(rows, ROWS), step = panel(w);
  Tensor x = at::empty({rows, w.size(1)}, y.options());
  Tensor wide = room(w, step, w.size(1)), from = at::empty({narrow ? block * step : 0}, wide.options()), sum = room(x, narrow ? block : 0, w.size(1));
  for (int64_t i = 0; i < rows; i += block) {
    int64_t n = std::min(block, rows - i);
    Tensor out = x.narrow(0, i, n), exact = narrow ? sum.narrow(0, 0, n) : out;
    for (int64_t p = 0; p < w.size(0); p += step) {
      int64_t m = std::min(step, w.size(0) - p);
      Tensor some = widened(w.narrow(0, p, m), wide), own = y.narrow(0, i, n).narrow(1, p, m);
      if (narrow) own = copied(own, from.narrow(0, 0, n * m).view({n, m}));
      if (p == 0)
        at::mm_out(exact, own, some);
      else
        at::addmm_out(exact, exact, own, some);
    }
    if (narrow) copied(exact, out);
  }
  return x;
}

// yᵀ x in the numbers of w: the gradient of w
Tensor of_weight(const Tensor& y, const Tensor& inputs, const Tensor& w) {
  Tensor x = troupe::by_row(inputs);
  int64_t rows = x.size(0), block = std::min(rows, ROWS), step = panel(w);
  Tensor grad = at::zeros(w.sizes(), w.options());
  Tensor own = room(w, block, w.size(1)), from = at::empty({block * step}, own.options()), sum = room(w, step, w.size(1));
  for (int64_t p = 0; p < w.size(0); p += step) {
    int64_t m = std::min(step, w.size(0) - p);
    Tensor exact = sum.narrow(0, 0, m).zero_();
    for (int64_t i = 0; i < rows; i += block) {
      int64_t n = std::min(block, rows - i);
      Tensor given = copied(y.narrow(0, i, n).narrow(1, p, m), from.narrow(0, 0, n * m).view({n, m}));
      at::addmm_out(exact, exact, given.t(), widened(x.narrow(0, i, n), own));
    }
    copied(exact, grad.narrow(0, p, m));
  }
  return grad;
}

// ---- with LoRA and a residual beside it

// (x aᵀ) b scale beside a product: a [ranks, inputs], and for the outputs one after the other their b, [rank, outputs]; their ranks, 0 among them, come to a's, their
// outputs to the product's. All float32.
struct Adapter {
  Tensor a;
  std::vector<Tensor> b;
  float scale;

  int64_t ranks() const { return a.size(0); }
};

void check_adapted(const Tensor& x, const Tensor& w, const Adapter& adapter, const Maybe& residual) {
  const char* where = "troupe::wide_adapted";
  check(where, x, w.size(-1), w);
  TORCH_CHECK(x.scalar_type() == at::kBFloat16 && w.is_contiguous(), where, ": rows and weight must be bfloat16 and the weight contiguous, are ", x.scalar_type(), " and ",
              w.strides());
  const Tensor& a = adapter.a;
  int64_t ranks = 0, outputs = 0;
  bool fits = a.scalar_type() == at::kFloat && a.dim() == 2 && a.size(1) == w.size(1) && a.is_contiguous();
  for (const Tensor& b : adapter.b) {
    fits = fits && b.scalar_type() == at::kFloat && b.dim() == 2 && b.is_contiguous();
    if (!fits) break;
    ranks += b.size(0);
    outputs += b.size(1);
  }
  TORCH_CHECK(fits && ranks == a.size(0) && (ranks == 0 || outputs == w.size(0)), where, ": the adapter of a weight ", w.sizes(),
              " must be contiguous float32 [ranks, inputs] and [rank, outputs] for its outputs in turn, is ", a.scalar_type(), " ", a.sizes(), " and ", ranks, " ranks for ",
              outputs, " outputs");
  TORCH_CHECK(!residual || (residual->device().is_cpu() && residual->scalar_type() == at::kFloat && residual->dim() == 2 && residual->size(0) == x.size(0) &&
                            residual->size(1) == w.size(0)),
              where, ": the residual must be float32 [", x.size(0), ", ", w.size(0), "] on the CPU");
}

// Calls work(number of the b, its first output, first rank, ranks, first output counted from p, outputs) for what each b has of outputs p ... p + m - 1.
template <typename Work> void each_part(const std::vector<Tensor>& all, int64_t p, int64_t m, Work work) {
  int64_t rank = 0, output = 0;
  for (size_t i = 0; i < all.size(); i++) {
    const Tensor& b = all[i];
    int64_t from = std::max(output, p), to = std::min(output + b.size(1), p + m);
    if (from < to && b.size(0) > 0) work(i, from - output, rank, b.size(0), from - p, to - from);
    rank += b.size(0);
    output += b.size(1);
  }
}

// x wᵀ + scale (x aᵀ) b, rounded once to bfloat16; or the residual + that, in float32
Tensor adapted(const Tensor& x, const Tensor& w, const Adapter& adapter, const Maybe& residual) {
  check_adapted(x, w, adapter, residual);
  int64_t rows = x.size(0), inputs = w.size(1), outputs = w.size(0), ranks = adapter.ranks(), block = std::min(rows, ROWS), step = panel(w);
  Tensor y = residual ? at::empty({rows, outputs}, residual->options()) : at::empty({rows, outputs}, x.options());
  Tensor wide = room(w, step, inputs), own = room(x, block, inputs), low = room(x, block, ranks), sums = at::empty({residual ? 0 : block * step}, wide.options());
  Rows to(y), from(x), weights(w), wide_rows(wide), own_rows(own);
  for (int64_t i = 0; i < rows; i += block) {
    int64_t n = std::min(block, rows - i);
    copy(from, i, 0, own_rows, 0, 0, n, inputs);
    if (ranks > 0) {
      multiply(false, true, n, ranks, inputs, own.data_ptr<float>(), inputs, adapter.a.data_ptr<float>(), inputs, 0, low.data_ptr<float>(), ranks);
      low.mul_(adapter.scale);
    }
    for (int64_t p = 0; p < outputs; p += step) {
      int64_t m = std::min(step, outputs - p), stride = residual ? outputs : m;
      float* exact = residual ? (float*)to.at(i, p) : sums.data_ptr<float>();
      copy(weights, p, 0, wide_rows, 0, 0, m, inputs);
      if (residual) copy(Rows(*residual), i, p, to, i, p, n, m);
      multiply(false, true, n, m, inputs, own.data_ptr<float>(), inputs, wide.data_ptr<float>(), inputs, residual ? 1 : 0, exact, stride);
      each_part(adapter.b, p, m, [&](size_t k, int64_t at, int64_t rank, int64_t some, int64_t output, int64_t count) {
        multiply(false, false, n, count, some, low.data_ptr<float>() + rank, ranks, adapter.b[k].data_ptr<float>() + at, adapter.b[k].size(1), 1, exact + output, stride);
      });
      if (!residual) copy(Rows(sums.narrow(0, 0, n * m).view({n, m})), 0, 0, to, i, p, n, m);
    }
  }
  return y;
}

struct Gradients {
  Tensor x, a;
  std::vector<Tensor> b;
};

// y is the gradient of the result, in its numbers; that of x, unless it is not wanted, is in bfloat16
Gradients of_adapted(const Tensor& y, const Tensor& x, const Tensor& w, const Adapter& adapter, bool wanted, bool trained) {
  int64_t rows = x.size(0), inputs = w.size(1), outputs = w.size(0), ranks = adapter.ranks(), block = std::min(rows, ROWS), step = panel(w);
  bool narrow = y.scalar_type() == at::kBFloat16;
  Gradients of = {wanted ? at::empty(x.sizes(), x.options()) : x, at::zeros(adapter.a.sizes(), adapter.a.options()), {}};
  for (const Tensor& b : adapter.b) of.b.push_back(at::zeros(b.sizes(), b.options()));
  trained = trained && ranks > 0;
  Tensor wide = room(w, step, inputs), own = room(x, trained ? block : 0, inputs), sum = room(x, block, inputs), given = at::empty({narrow ? block * step : 0}, wide.options());
  Tensor low = room(x, block, ranks), back = room(x, block, ranks);
  Rows to(of.x), from(x), ys(y), weights(w), wide_rows(wide), sum_rows(sum);
  const float* a = adapter.a.data_ptr<float>();
  float *of_low = back.data_ptr<float>(), *exact = sum.data_ptr<float>();
  for (int64_t i = 0; i < rows; i += block) {
    int64_t n = std::min(block, rows - i);
    if (trained) {
      copy(from, i, 0, Rows(own), 0, 0, n, inputs);
      multiply(false, true, n, ranks, inputs, own.data_ptr<float>(), inputs, a, inputs, 0, low.data_ptr<float>(), ranks);
      low.mul_(adapter.scale);
    }
    back.zero_();
    for (int64_t p = 0; p < outputs; p += step) {
      int64_t m = std::min(step, outputs - p), stride = narrow ? m : outputs;
      const float* some = (const float*)ys.at(i, p);
      if (narrow) {
        copy(ys, i, p, Rows(given.narrow(0, 0, n * m).view({n, m})), 0, 0, n, m);
        some = given.data_ptr<float>();
      }
      if (wanted) copy(weights, p, 0, wide_rows, 0, 0, m, inputs);
      if (wanted) multiply(false, false, n, inputs, m, some, stride, wide.data_ptr<float>(), inputs, p == 0 ? 0 : 1, exact, inputs);
      each_part(adapter.b, p, m, [&](size_t k, int64_t at, int64_t rank, int64_t count, int64_t output, int64_t columns) {
        int64_t of_b = adapter.b[k].size(1);
        multiply(false, true, n, count, columns, some + output, stride, adapter.b[k].data_ptr<float>() + at, of_b, 1, of_low + rank, ranks);
        if (trained)
          multiply(true, false, count, columns, n, low.data_ptr<float>() + rank, ranks, some + output, stride, 1, of.b[k].data_ptr<float>() + at, of_b);
      });
    }
    if (ranks > 0) {
      back.mul_(adapter.scale);
      if (wanted) multiply(false, false, n, inputs, ranks, of_low, ranks, a, inputs, 1, exact, inputs);
    }
    if (trained) multiply(true, false, ranks, inputs, n, of_low, ranks, own.data_ptr<float>(), inputs, 1, of.a.data_ptr<float>(), inputs);
    if (wanted) copy(sum_rows, 0, 0, to, i, 0, n, inputs);
  }
  return of;
}

struct WideLinear : torch::autograd::Function<WideLinear> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({w.requires_grad() ? x : Tensor(), w});
    return times_transposed(x, w);
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    variable_list saved = context->get_saved_variables();
    Tensor y = given[0].contiguous();
    return {context->needs_input_grad(0) ? times(y, saved[1]) : Tensor(), context->needs_input_grad(1) ? of_weight(y, saved[0], saved[1]) : Tensor()};
  }
};

Tensor with_gradient(const Tensor& x, const Tensor& w) { return WideLinear::apply(x, w); }

std::vector<Tensor> listed(const Tensor& b, const Maybe& second, const Maybe& third) {
  std::vector<Tensor> all = {b};
  for (const Maybe& other : {second, third})
    if (other && other->defined()) all.push_back(*other);
  return all;
}

Maybe rows_of(const Maybe& x) { return x ? Maybe(troupe::by_row(*x)) : x; }

Tensor adapted_alone(const Tensor& x, const Tensor& w, const Tensor& a, const Tensor& b, const Maybe& second, const Maybe& third, double scale, const Maybe& residual) {
  return adapted(troupe::by_row(x), w, {a, listed(b, second, third), (float)scale}, rows_of(residual));
}

struct WideAdapted : torch::autograd::Function<WideAdapted> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, const Tensor& a, const Tensor& b, const Maybe& second, const Maybe& third, double scale,
                        const Maybe& residual) {
    at::AutoDispatchBelowADInplaceOrView below;
    TORCH_CHECK(!w.requires_grad(), "troupe::wide_adapted: a weight with an adapter is frozen");
    Tensor own = troupe::by_row(x);
    auto tensor = [](const Maybe& t) { return t ? *t : Tensor(); };
    context->save_for_backward({own, w, a, b, tensor(second), tensor(third)});
    context->saved_data["scale"] = scale;
    context->saved_data["residual"] = residual.has_value();
    return adapted(own, w, {a, listed(b, second, third), (float)scale}, rows_of(residual));
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    variable_list saved = context->get_saved_variables();
    Adapter adapter = {saved[2], listed(saved[3], saved[4], saved[5]), (float)context->saved_data["scale"].toDouble()};
    Tensor y = troupe::by_row(given[0]);
    Gradients of = of_adapted(y, saved[0], saved[1], adapter, context->needs_input_grad(0), saved[2].requires_grad() || saved[3].requires_grad());
    of.b.resize(3);
    return {context->needs_input_grad(0) ? of.x : Tensor(), Tensor(), of.a, of.b[0], of.b[1], of.b[2], Tensor(), context->saved_data["residual"].toBool() ? y : Tensor()};
  }
};

Tensor adapted_with_gradient(const Tensor& x, const Tensor& w, const Tensor& a, const Tensor& b, const Maybe& second, const Maybe& third, double scale, const Maybe& residual) {
  return WideAdapted::apply(x, w, a, b, second, third, scale, residual);
}

// Whether float32 is what this processor multiplies faster. With AMX bfloat16 is, and with AVX512-BF16 on AMD's (twice as fast); on Intel's the same
// instructions come to half the rate of float32. Without any torch widens, too, and takes longer over it.
bool by_widening() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (at::cpu::is_amx_tile_supported()) return false;
  return !at::cpu::is_avx512_bf16_supported() || __builtin_cpu_is("intel");
#else
  return false;
#endif
}

}  // namespace

bool troupe::widens() { return by_widening(); }

TORCH_LIBRARY_FRAGMENT(troupe, m) {
  m.def("widens() -> bool", troupe::widens);
  // x wᵀ, x [rows, inputs] in bfloat16 or float32, w [outputs, inputs] in bfloat16; the result is in the numbers of x
  m.def("wide_linear(Tensor x, Tensor w) -> Tensor");
  // x wᵀ + scale (x aᵀ) b, x and w in bfloat16, w frozen; b beside one another for outputs one after the other; with a residual it is added and the result float32
  m.def("wide_adapted(Tensor x, Tensor w, Tensor a, Tensor b, Tensor? second, Tensor? third, float scale, Tensor? residual) -> Tensor");
  // y w, y [rows, outputs]; without a gradient
  m.def("wide_product(Tensor y, Tensor w) -> Tensor");
}

TORCH_LIBRARY_IMPL(troupe, CPU, m) {
  m.impl("wide_linear", times_transposed);
  m.impl("wide_adapted", adapted_alone);
  m.impl("wide_product", times);
}

TORCH_LIBRARY_IMPL(troupe, AutogradCPU, m) {
  m.impl("wide_linear", with_gradient);
  m.impl("wide_adapted", adapted_with_gradient);
}
