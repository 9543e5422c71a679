// Operators between the products of training and scoring, with gradients: RMS norms and activations, each one pass over its rows (passes.cpp). A row's bits depend
// on that row alone.
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "training.h"

namespace {

using at::Tensor;
using troupe::From;
using troupe::Rows;
using troupe::To;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
typedef std::optional<Tensor> Maybe;

constexpr int64_t GRAIN = 16;  // rows that are worth a thread

Tensor empty_as(const Tensor& x, at::IntArrayRef sizes, bool narrow) { return at::empty(sizes, x.options().dtype(narrow ? at::kBFloat16 : at::kFloat)); }

// ---- RMS norms

void check_norm(const char* where, const Tensor& x, const Tensor& gain) {
  TORCH_CHECK(troupe::is_numbers(x) && x.dim() > 0 && x.size(-1) > 0 && x.size(-1) < INT32_MAX, where, ": x must be rows of float32 or bfloat16 on the CPU, is ", x.scalar_type(),
              " ", x.sizes(), " on ", x.device());
  TORCH_CHECK(gain.device().is_cpu() && gain.scalar_type() == at::kFloat && gain.numel() == x.size(-1) && gain.is_contiguous(), where, ": the gain must be ", x.size(-1),
              " contiguous float32 numbers on the CPU, is ", gain.scalar_type(), " ", gain.sizes());
}

// y in bfloat16 where narrow, else float32; roots [rows] are 1 / sqrt(|x|² / n + eps).
std::pair<Tensor, Tensor> normed(const Tensor& x, const Tensor& gain, double eps, bool plus_one, bool narrow) {
  check_norm("troupe::norm", x, gain);
  int64_t n = x.size(-1), rows = x.numel() / n;
  Tensor y = empty_as(x, x.sizes(), narrow), roots = empty_as(x, {rows}, false);
  Rows from(x.view({rows, n})), to(y.view({rows, n}));
  const troupe::Passes& passes = troupe::passes();
  at::parallel_for(0, rows, GRAIN, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      roots.data_ptr<float>()[i] = passes.norm(from.from(i), gain.data_ptr<float>(), plus_one, (float)eps, (int)n, to.to(i));
  });
  return {y, roots};
}

std::pair<Tensor, Tensor> normed_back(const Tensor& of_y, const Tensor& x, const Tensor& gain, const Tensor& roots, bool plus_one, bool trained) {
  int64_t n = x.size(-1), rows = roots.numel();
  Tensor of_x = at::empty(x.sizes(), x.options()), of_gain = trained ? at::zeros(gain.sizes(), gain.options()) : Tensor();
  Rows from(x.view({rows, n})), given(of_y.view({rows, n})), to(of_x.view({rows, n}));
  const troupe::Passes& passes = troupe::passes();
  auto some = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      passes.norm_back(from.from(i), roots.data_ptr<float>()[i], gain.data_ptr<float>(), plus_one, given.from(i), (int)n, to.to(i),
                       trained ? of_gain.data_ptr<float>() : nullptr);
  };
  // the gain's gradient is added up in the order of the rows
  if (trained) some(0, rows);
  else at::parallel_for(0, rows, GRAIN, some);
  return {of_x, of_gain};
}

Tensor norm(const Tensor& x, const Tensor& gain, double eps, bool plus_one, bool narrow) { return normed(x.contiguous(), gain, eps, plus_one, narrow).first; }

struct Norm : torch::autograd::Function<Norm> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& gain, double eps, bool plus_one, bool narrow) {
    at::AutoDispatchBelowADInplaceOrView below;
    Tensor own = x.contiguous();
    auto [y, roots] = normed(own, gain, eps, plus_one, narrow);
    context->save_for_backward({own, gain, roots});
    context->saved_data["plus_one"] = plus_one;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    variable_list saved = context->get_saved_variables();
    bool plus_one = context->saved_data["plus_one"].toBool();
    auto [of_x, of_gain] = normed_back(given[0].contiguous(), saved[0], saved[1], saved[2], plus_one, context->needs_input_grad(1));
    return {of_x, of_gain, Tensor(), Tensor(), Tensor()};
  }
};

// ---- activations

void check_activated(const Tensor& x, const Tensor& up, int64_t activation, bool halves) {
  const char* where = "troupe::activated";
  TORCH_CHECK(activation == troupe::SILU || activation == troupe::GELU_TANH || activation == troupe::RELU, where, ": no activation of number ", activation);
  TORCH_CHECK(troupe::is_numbers(x) && x.dim() == 2 && x.size(1) < INT32_MAX && (!halves || x.size(1) % 2 == 0), where,
              ": x must be rows of float32 or bfloat16 on the CPU, and of an even number where half are factors, is ", x.scalar_type(), " ", x.sizes(), " on ", x.device());
  TORCH_CHECK(!up.defined() || (!halves && up.device().is_cpu() && up.scalar_type() == x.scalar_type() && up.sizes() == x.sizes()), where, ": the factors must be as x, ",
              x.scalar_type(), " ", x.sizes(), ", and not its second half as well");
}

// activation(x) * up, or where `halves` activation(first half of a row) * second half, or without either activation(x); up may be undefined
Tensor activated(const Tensor& x, const Tensor& up, int64_t activation, bool halves) {
  int64_t rows = x.size(0), n = halves ? x.size(1) / 2 : x.size(1);
  Tensor y = at::empty({rows, n}, x.options());
  Rows from(x), factors(up.defined() ? up : x), to(y);
  const troupe::Passes& passes = troupe::passes();
  at::parallel_for(0, rows, GRAIN, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      From factor = halves ? from.from(i, n) : up.defined() ? factors.from(i) : From{nullptr, from.narrow};
      passes.gate(from.from(i), factor, (int)activation, (int)n, to.to(i));
    }
  });
  return y;
}

std::pair<Tensor, Tensor> activated_back(const Tensor& of_y, const Tensor& x, const Tensor& up, int64_t activation, bool halves) {
  int64_t rows = x.size(0), n = halves ? x.size(1) / 2 : x.size(1);
  Tensor of_x = at::empty(x.sizes(), x.options()), of_up = up.defined() ? at::empty(up.sizes(), up.options()) : Tensor();
  Rows from(x), factors(up.defined() ? up : x), given(of_y), to(of_x), other(up.defined() ? of_up : of_x);
  const troupe::Passes& passes = troupe::passes();
  at::parallel_for(0, rows, GRAIN, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      From factor = halves ? from.from(i, n) : up.defined() ? factors.from(i) : From{nullptr, from.narrow};
      To of_factor = halves ? to.to(i, n) : other.to(i);
      passes.gate_back(from.from(i), factor, given.from(i), (int)activation, (int)n, to.to(i), of_factor);
    }
  });
  return {of_x, of_up};
}

Tensor activate(const Tensor& x, const Maybe& up, int64_t activation, bool halves) {
  Tensor factors = up ? *up : Tensor();
  check_activated(x, factors, activation, halves);
  return activated(troupe::by_row(x), factors.defined() ? troupe::by_row(factors) : factors, activation, halves);
}

struct Activated : torch::autograd::Function<Activated> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Maybe& up, int64_t activation, bool halves) {
    at::AutoDispatchBelowADInplaceOrView below;
    Tensor factors = up ? *up : Tensor();
    check_activated(x, factors, activation, halves);
    Tensor rows = troupe::by_row(x);
    if (factors.defined()) factors = troupe::by_row(factors);
    context->save_for_backward({rows, factors});
    context->saved_data["activation"] = activation;
    context->saved_data["halves"] = halves;
    return activated(rows, factors, activation, halves);
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    variable_list saved = context->get_saved_variables();
    auto [of_x, of_up] = activated_back(troupe::by_row(given[0]), saved[0], saved[1], context->saved_data["activation"].toInt(), context->saved_data["halves"].toBool());
    return {of_x, of_up, Tensor(), Tensor()};
  }
};

Tensor norm_with_gradient(const Tensor& x, const Tensor& gain, double eps, bool plus_one, bool narrow) { return Norm::apply(x, gain, eps, plus_one, narrow); }
Tensor activate_with_gradient(const Tensor& x, const Maybe& up, int64_t activation, bool halves) { return Activated::apply(x, up, activation, halves); }

}  // namespace

TORCH_LIBRARY_FRAGMENT(troupe, m) {
  // x / sqrt(mean(x²) + eps) * (gain, and one where plus_one), rows of float32 or bfloat16; the result is bfloat16 where narrow, else float32
  m.def("norm(Tensor x, Tensor gain, float eps, bool plus_one, bool narrow) -> Tensor");
  // activation(x) * up; halves: x is both, side by side; numbers of activations as of activated_linear
  m.def("activated(Tensor x, Tensor? up, int activation, bool halves) -> Tensor");
}

TORCH_LIBRARY_IMPL(troupe, CPU, m) {
  m.impl("norm", norm);
  m.impl("activated", activate);
}

TORCH_LIBRARY_IMPL(troupe, AutogradCPU, m) {
  m.impl("norm", norm_with_gradient);
  m.impl("activated", activate_with_gradient);
}
