// Products of training and scoring with weights in bfloat16 on processors that multiply float32 faster than bfloat16: both factors are widened, which is
// exact, and torch multiplies and adds in float32. Weights are widened some rows at a time, so that no whole copy of them exists. That a row's bits do not
// depend on other rows is not promised here: torch's products choose their order by the number of rows.
#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>

namespace {

using at::Tensor;

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

// x in float32: itself, or in `room`
Tensor widened(const Tensor& x, const Tensor& room) { return x.scalar_type() == at::kFloat ? x : room.narrow(0, 0, x.size(0)).copy_(x); }

// x wᵀ in the numbers of x
Tensor times_transposed(const Tensor& x, const Tensor& w) {
  check("troupe::wide_linear", x, w.size(1), w);
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
        out.copy_(exact);
      } else {
        at::mm_out(out, own, some.t());
      }
    }
  }
  return y;
}

// y w in the numbers of y: the gradient of x
Tensor times(const Tensor& y, const Tensor& w) {
  check("troupe::wide_product", y, w.size(0), w);
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
      if (narrow) own = from.narrow(0, 0, n * m).view({n, m}).copy_(own);
      if (p == 0)
        at::mm_out(exact, own, some);
      else
        at::addmm_out(exact, exact, own, some);
    }
    if (narrow) out.copy_(exact);
  }
  return x;
}

// yᵀ x in the numbers of w: the gradient of w
Tensor of_weight(const Tensor& y, const Tensor& x, const Tensor& w) {
  int64_t rows = x.size(0), block = std::min(rows, ROWS), step = panel(w);
  Tensor grad = at::zeros(w.sizes(), w.options());
  Tensor own = room(w, block, w.size(1)), from = at::empty({block * step}, own.options()), sum = room(w, step, w.size(1));
  for (int64_t p = 0; p < w.size(0); p += step) {
    int64_t m = std::min(step, w.size(0) - p);
    Tensor exact = sum.narrow(0, 0, m).zero_();
    for (int64_t i = 0; i < rows; i += block) {
      int64_t n = std::min(block, rows - i);
      Tensor given = from.narrow(0, 0, n * m).view({n, m}).copy_(y.narrow(0, i, n).narrow(1, p, m));
      at::addmm_out(exact, exact, given.t(), widened(x.narrow(0, i, n), own));
    }
    grad.narrow(0, p, m).copy_(exact);
  }
  return grad;
}

struct WideLinear : torch::autograd::Function<WideLinear> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, const Tensor& w) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({w.requires_grad() ? x : Tensor(), w});
    return times_transposed(x, w);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list given) {
    torch::autograd::variable_list saved = context->get_saved_variables();
    Tensor y = given[0].contiguous();
    return {context->needs_input_grad(0) ? times(y, saved[1]) : Tensor(), context->needs_input_grad(1) ? of_weight(y, saved[0], saved[1]) : Tensor()};
  }
};

Tensor with_gradient(const Tensor& x, const Tensor& w) { return WideLinear::apply(x, w); }

// Whether float32 is what this processor multiplies faster. With AMX bfloat16 is, and with AVX512-BF16 on AMD's (twice as fast); on Intel's the same
// instructions come to half the rate of float32. Without any torch widens, too, and takes longer over it.
bool widens() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (at::cpu::is_amx_tile_supported()) return false;
  return !at::cpu::is_avx512_bf16_supported() || __builtin_cpu_is("intel");
#else
  return false;
#endif
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(troupe, m) {
  m.def("widens() -> bool", widens);
  // x wᵀ, x [rows, inputs] in bfloat16 or float32, w [outputs, inputs] in bfloat16; the result is in the numbers of x
  m.def("wide_linear(Tensor x, Tensor w) -> Tensor");
  // y w, y [rows, outputs]; without a gradient
  m.def("wide_product(Tensor y, Tensor w) -> Tensor");
}

TORCH_LIBRARY_IMPL(troupe, CPU, m) {
  m.impl("wide_linear", times_transposed);
  m.impl("wide_product", times);
}

TORCH_LIBRARY_IMPL(troupe, AutogradCPU, m) { m.impl("wide_linear", with_gradient); }
