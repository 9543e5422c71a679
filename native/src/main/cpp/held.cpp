// Products with weights that are held in blocks: whole numbers of eight bits, or codes of four, times a scale for each block, which may itself be held in eight bits
// (Dettmers et al., arXiv:2305.14314, 3; the layout is that of bitsandbytes). A weight is made numbers again where it is multiplied, forwards and in the backward pass:
// some rows at a time where products are in float32, one weight at a time where they are torch's in bfloat16. Nothing of it is kept for the gradient.
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "spread.h"
#include "training.h"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using troupe::Rows;

enum Kind { INT8 = 0, NF4 = 1, FP4 = 2 };

// Numbers that are multiplied at once in float32, 2 MiB.
constexpr int64_t NUMBERS = 1 << 19;

// Scales that share a scale of their own.
constexpr int64_t GROUP = 256;

constexpr float NF4_NUMBERS[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
                                   0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
constexpr float FP4_NUMBERS[16] = {0.0f, 0.0052083334885537624f, 0.6666666865348816f, 1.0f, 0.3333333432674408f, 0.5f, 0.1666666716337204f, 0.25f,
                                   0.0f, -0.0052083334885537624f, -0.6666666865348816f, -1.0f, -0.3333333432674408f, -0.5f, -0.1666666716337204f, -0.25f};

// What scales are held in, those above 0 and below 1: for i = 0 … 6, 2^i means of neighbours among 2^i + 1 points from 0.1 to 1, times 10^(i - 6) (Dettmers et al.,
// arXiv:2110.02861), as torch's linspace makes them in float32.
constexpr float SCALE_NUMBERS[127] = {
    5.5000004e-07f, 3.2500002e-06f, 7.75e-06f, 2.1249998e-05f, 4.375e-05f, 6.625e-05f, 8.875e-05f, 0.00015625001f,
    0.00026875004f, 0.00038125002f, 0.00049375003f, 0.0006062501f, 0.00071875006f, 0.00083125f, 0.0009437501f, 0.0012812499f,
    0.00184375f, 0.00240625f, 0.00296875f, 0.0035312497f, 0.00409375f, 0.0046562497f, 0.0052187503f, 0.00578125f,
    0.00634375f, 0.00690625f, 0.00746875f, 0.00803125f, 0.00859375f, 0.009156249f, 0.00971875f, 0.01140625f,
    0.01421875f, 0.01703125f, 0.019843752f, 0.02265625f, 0.02546875f, 0.028281251f, 0.03109375f, 0.03390625f,
    0.036718752f, 0.03953125f, 0.042343747f, 0.04515625f, 0.04796875f, 0.05078125f, 0.05359375f, 0.05640625f,
    0.059218753f, 0.06203125f, 0.06484375f, 0.067656256f, 0.070468746f, 0.07328125f, 0.07609375f, 0.07890625f,
    0.08171876f, 0.08453125f, 0.08734375f, 0.09015625f, 0.092968754f, 0.09578126f, 0.09859375f, 0.107031256f,
    0.12109375f, 0.13515624f, 0.14921875f, 0.16328125f, 0.17734376f, 0.19140625f, 0.20546874f, 0.21953125f,
    0.23359375f, 0.24765624f, 0.26171875f, 0.27578127f, 0.28984374f, 0.30390626f, 0.31796873f, 0.33203125f,
    0.34609374f, 0.36015624f, 0.37421876f, 0.38828123f, 0.40234375f, 0.41640624f, 0.43046874f, 0.44453126f,
    0.45859373f, 0.47265625f, 0.4867187f, 0.50078124f, 0.5148437f, 0.5289062f, 0.54296875f, 0.5570313f,
    0.5710938f, 0.58515626f, 0.5992187f, 0.61328125f, 0.6273438f, 0.6414063f, 0.65546876f, 0.6695312f,
    0.68359375f, 0.6976563f, 0.7117188f, 0.72578126f, 0.7398437f, 0.75390625f, 0.7679688f, 0.78203124f,
    0.79609376f, 0.8101562f, 0.82421875f, 0.8382813f, 0.85234374f, 0.86640626f, 0.8804687f, 0.89453125f,
    0.9085938f, 0.92265624f, 0.93671876f, 0.9507812f, 0.96484375f, 0.9789063f, 0.99296874f,
};

// All of them, of both signs, 0 and 1, by code.
std::array<float, 256> scale_numbers() {
  std::array<float, 256> all = {};
  for (int i = 0; i < 127; i++) {
    all[126 - i] = -SCALE_NUMBERS[i];
    all[128 + i] = SCALE_NUMBERS[i];
  }
  all[255] = 1;
  return all;
}

const std::array<float, 256>& scale_table() {
  static const std::array<float, 256> table = scale_numbers();
  return table;
}

// A weight [rows, columns] of several parts, rows one after the other; all bytes in one tensor: codes, then a float32 for each block, or a byte for each, filled up to
// four, then a float32 for each 256 of them in a part, then one for each part that is added.
struct Held {
  Kind kind;
  int64_t block, columns, rows = 0, blocks;
  bool nested;
  std::vector<int64_t> ends;    // of parts, in blocks
  std::vector<int64_t> groups;  // before each part
  at::IntArrayRef order;
  const uint8_t *codes, *small;
  const float *scales, *offsets;

  // how: kind, block, whether scales are held in bytes, columns, then rows of each part; order: for each row, which one is stored; empty for the same
  Held(const char* where, const Tensor& w, at::IntArrayRef how, at::IntArrayRef order) : order(order) {
    TORCH_CHECK(how.size() > 4 && how[0] >= INT8 && how[0] <= FP4 && how[1] > 0 && how[1] % 2 == 0 && how[3] > 0 && how[3] % 2 == 0, where,
                ": how a weight is held is [kind, block, nested, columns, rows …], is ", how);
    kind = (Kind)how[0];
    block = how[1];
    nested = how[2] != 0;
    columns = how[3];
    int64_t in_groups = 0;
    for (size_t i = 4; i < how.size(); i++) {
      TORCH_CHECK(how[i] > 0 && how[i] * columns % block == 0, where, ": ", how[i], " rows of ", columns, " are no multiple of a block of ", block);
      int64_t own = how[i] * columns / block;
      groups.push_back(in_groups);
      in_groups += (own + GROUP - 1) / GROUP;
      rows += how[i];
      ends.push_back(rows * columns / block);
    }
    blocks = ends.back();
    int64_t of_codes = kind == INT8 ? rows * columns : rows * columns / 2, of_small = nested ? (blocks + 3) / 4 * 4 : 0;
    int64_t bytes = of_codes + (nested ? of_small + 4 * (in_groups + (int64_t)ends.size()) : 4 * blocks);
    TORCH_CHECK(w.device().is_cpu() && w.scalar_type() == at::kByte && w.dim() == 1 && w.is_contiguous() && w.numel() == bytes && of_codes % 4 == 0, where, ": the weight must be ",
                bytes, " bytes in a row on the CPU, is ", w.scalar_type(), " ", w.sizes());
    TORCH_CHECK(order.empty() || (int64_t)order.size() == rows, where, ": ", order.size(), " places for ", rows, " rows");
    codes = w.data_ptr<uint8_t>();
    small = codes + of_codes;
    scales = (const float*)(small + of_small);
    offsets = scales + in_groups;
  }

  // scales of blocks from … to - 1
  void scales_of(int64_t from, int64_t to, float* out) const {
    if (!nested) {
      std::copy(scales + from, scales + to, out);
      return;
    }
    const std::array<float, 256>& table = scale_table();
    size_t part = 0;
    for (int64_t b = from; b < to; b++) {
      while (b >= ends[part]) part++;
      int64_t within = b - (part == 0 ? 0 : ends[part - 1]);
      float product = table[small[b]] * scales[groups[part] + within / GROUP];
      out[b - from] = product + offsets[part];
    }
  }

  const float* table() const { return kind == INT8 ? nullptr : kind == NF4 ? NF4_NUMBERS : FP4_NUMBERS; }

  int64_t stored(int64_t row) const { return order.empty() ? row : order[row]; }

  const uint8_t* at(int64_t number) const { return codes + (kind == INT8 ? number : number / 2); }

  // a row of the weight; room for the scales of one
  void row(int64_t i, float* room, troupe::To to) const {
    int64_t first = stored(i) * columns, of = first / block, behind = (first + columns - 1) / block + 1;
    scales_of(of, behind, room);
    // the first block's beginning is the origin
    troupe::passes().held(at(of * block), table(), room, (int)block, (int)(first - of * block), (int)columns, to);
  }

  int64_t scales_of_row() const { return columns / block + 2; }

  // rows from … from + count - 1 of the weight
  void numbers(int64_t from, int64_t count, const Rows& to) const {
    at::parallel_for(0, count, 16, [&](int64_t begin, int64_t end) {
      std::vector<float> room(scales_of_row());
      for (int64_t i = begin; i < end; i++) row(from + i, room.data(), to.to(i, 0));
    });
  }

  // Whether blocks and rows are of whole units, so that bytes can be multiplied with them.
  bool by_units() const { return block % troupe::UNIT == 0 && columns % troupe::UNIT == 0; }

  // the scales of a row's units
  void units(int64_t i, float* out) const {
    const troupe::Kernels& kernels = troupe::decoding();
    int64_t first = stored(i) * columns, of = first / block, behind = (first + columns - 1) / block + 1, count = columns / troupe::UNIT;
    // Those of blocks stand behind, and go to their places from the first on.
    float* own = block == troupe::UNIT ? out : out + count - (behind - of);
    if (nested) {
      size_t part = 0;
      while (of >= ends[part]) part++;
      int64_t before = part == 0 ? 0 : ends[part - 1];
      for (int64_t b = of; b < behind;) {
        int64_t group = (b - before) / GROUP, end = std::min(behind, before + (group + 1) * GROUP);
        kernels.scales_of(small + b, (int)(end - b), scale_table().data(), scales[groups[part] + group], offsets[part], own + (b - of));
        b = end;
      }
    } else {
      std::copy(scales + of, scales + behind, own);
    }
    if (block != troupe::UNIT)
      for (int64_t u = 0; u < count; u++) out[u] = own[(first + u * troupe::UNIT) / block - of];
  }

  int64_t panel(int64_t count) const {
    int64_t most = std::max<int64_t>(64, NUMBERS / columns), parts = (count + most - 1) / most;
    return (count + parts - 1) / parts;
  }
};

Tensor dense(const Held& held, int64_t first, int64_t count, bool narrow) {
  Tensor out = at::empty({count, held.columns}, at::TensorOptions().dtype(narrow ? at::kBFloat16 : at::kFloat));
  held.numbers(first, count, Rows(out));
  return out;
}

void check_part(const char* where, const Held& held, int64_t first, int64_t count) {
  TORCH_CHECK(first >= 0 && count > 0 && first + count <= held.rows, where, ": rows ", first, " and ", count, " behind of a weight of ", held.rows);
}

void check_rows(const char* where, const Tensor& x, int64_t width) {
  TORCH_CHECK(troupe::is_numbers(x) && x.dim() == 2 && x.size(1) == width, where, ": the rows must be bfloat16 or float32 with ", width, " numbers each on the CPU, are ",
              x.scalar_type(), " ", x.sizes());
}

// Whether torch multiplies bfloat16 itself.
bool in_bfloat16(const Tensor& x) { return x.scalar_type() == at::kBFloat16 && !troupe::widens(); }

// x wᵀ, w being some of the weight's rows, in the numbers of x
Tensor times_transposed(const Tensor& given, const Tensor& w, at::IntArrayRef how, at::IntArrayRef order, int64_t first, int64_t count) {
  Held held("troupe::held_linear", w, how, order);
  check_part("troupe::held_linear", held, first, count);
  check_rows("troupe::held_linear", given, held.columns);
  Tensor x = troupe::by_row(given);
  if (in_bfloat16(x)) return at::linear(x, dense(held, first, count, true));
  bool narrow = x.scalar_type() == at::kBFloat16;
  Tensor y = at::empty({x.size(0), count}, x.options());
  int64_t step = held.panel(count);
  Tensor wide = at::empty({step, held.columns}, x.options().dtype(at::kFloat)), own = narrow ? x.to(at::kFloat) : x;
  for (int64_t p = 0; p < count; p += step) {
    int64_t m = std::min(step, count - p);
    Tensor some = wide.narrow(0, 0, m), out = y.narrow(1, p, m);
    held.numbers(first + p, m, Rows(some));
    if (narrow)
      out.copy_(at::mm(own, some.t()));
    else
      at::mm_out(out, own, some.t());
  }
  return y;
}

// y w, in the numbers of y: the gradient of x
Tensor times(const Tensor& given, const Tensor& w, at::IntArrayRef how, at::IntArrayRef order, int64_t first, int64_t count) {
  Held held("troupe::held_linear", w, how, order);
  Tensor y = troupe::by_row(given);
  if (in_bfloat16(y)) return at::mm(y, dense(held, first, count, true));
  bool narrow = y.scalar_type() == at::kBFloat16;
  int64_t step = held.panel(count);
  Tensor x = at::empty({y.size(0), held.columns}, y.options().dtype(at::kFloat)), wide = at::empty({step, held.columns}, x.options());
  for (int64_t p = 0; p < count; p += step) {
    int64_t m = std::min(step, count - p);
    Tensor some = wide.narrow(0, 0, m), own = y.narrow(1, p, m);
    held.numbers(first + p, m, Rows(some));
    if (narrow) own = own.to(at::kFloat);
    if (p == 0)
      at::mm_out(x, own, some);
    else
      at::addmm_out(x, x, own, some);
  }
  return narrow ? x.to(at::kBFloat16) : x;
}

struct HeldLinear : torch::autograd::Function<HeldLinear> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, at::IntArrayRef how, at::IntArrayRef order, int64_t first, int64_t count) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({w});
    context->saved_data["how"] = how.vec();
    context->saved_data["order"] = order.vec();
    context->saved_data["first"] = first;
    context->saved_data["count"] = count;
    return times_transposed(x, w, how, order, first, count);
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    variable_list saved = context->get_saved_variables();
    Tensor of_x;
    if (context->needs_input_grad(0)) {
      std::vector<int64_t> how = context->saved_data["how"].toIntVector(), order = context->saved_data["order"].toIntVector();
      of_x = times(given[0], saved[0], how, order, context->saved_data["first"].toInt(), context->saved_data["count"].toInt());
    }
    return {of_x, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

Tensor with_gradient(const Tensor& x, const Tensor& w, at::IntArrayRef how, at::IntArrayRef order, int64_t first, int64_t count) {
  return HeldLinear::apply(x, w, how, order, first, count);
}

// x wᵀ, all of it in float32, a row at a time made numbers: of weights whose blocks are no whole units
void multiplied(const Held& held, const Tensor& x, Tensor& y) {
  const troupe::Kernels& k = troupe::decoding();
  int64_t inputs = held.columns, lanes = troupe::lanes();
  Tensor numbers = at::empty({lanes, troupe::PANEL, inputs}, x.options()), packed = at::empty({lanes, inputs, troupe::PANEL}, x.options());
  Tensor room = at::empty({lanes, held.scales_of_row()}, x.options());
  troupe::spread((held.rows + troupe::PANEL - 1) / troupe::PANEL, 1, [&](int64_t lane, int64_t begin, int64_t end) {
    float *own = numbers.data_ptr<float>() + lane * troupe::PANEL * inputs, *panel = packed.data_ptr<float>() + lane * troupe::PANEL * inputs;
    for (int64_t p = begin; p < end; p++) {
      int64_t first = p * troupe::PANEL, rows = std::min<int64_t>(troupe::PANEL, held.rows - first);
      for (int64_t i = 0; i < rows; i++) held.row(first + i, room.data_ptr<float>() + lane * room.size(1), {own + i * inputs, false});
      k.pack_numbers(own, (int)rows, (int)inputs, false, panel);
      troupe::Panels w = {panel, false, (int)rows, (int)inputs};
      k.multiply(x.data_ptr<float>(), inputs, (int)x.size(0), w, 0, 1, y.data_ptr<float>() + first, held.rows);
    }
  });
}

// The same by bytes: rows are quantised, fine: in two bytes, and codes are made bytes where they are multiplied.
void multiplied_by_bytes(const Held& held, const Tensor& x, bool fine, Tensor& y) {
  const troupe::Kernels& k = troupe::decoding();
  bool four = held.kind != INT8;
  int64_t rows = x.size(0), inputs = held.columns, chunk = four ? 128 : 64, chunks = (inputs + chunk - 1) / chunk, parts = fine ? 2 : 1;
  int64_t padded = (inputs + troupe::INPUTS - 1) / troupe::INPUTS * troupe::INPUTS, units = inputs / troupe::UNIT;
  Tensor steps = at::empty({rows}, x.options()), bytes = at::empty({parts, rows, chunks * chunk}, x.options().dtype(at::kChar));
  Tensor offsets = at::empty({parts, rows, chunks * 16}, x.options().dtype(at::kInt)), room = at::empty({troupe::lanes(), 2, padded}, x.options().dtype(at::kByte));
  troupe::spread(rows, 4, [&](int64_t lane, int64_t begin, int64_t end) {
    uint8_t *q = room.data_ptr<uint8_t>() + lane * 2 * padded, *low = fine ? q + padded : nullptr;
    for (int64_t i = begin; i < end; i++) {
      k.quantise(x.data_ptr<float>() + i * inputs, (int)inputs, (int)padded, q, low, steps.data_ptr<float>() + i);
      for (int64_t part = 0; part < parts; part++) {
        int64_t at = part * rows + i;
        k.arrange(part ? low : q, (int)inputs, four, bytes.data_ptr<int8_t>() + at * chunks * chunk, offsets.data_ptr<int32_t>() + at * chunks * 16);
      }
    }
  });
  troupe::Arranged high = {bytes.data_ptr<int8_t>(), offsets.data_ptr<int32_t>()}, low = {high.bytes + rows * chunks * chunk, high.offsets + rows * chunks * 16};
  int8_t table[16] = {};
  if (four)
    for (int i = 0; i < 16; i++) table[i] = (int8_t)std::nearbyint(held.table()[i] * 127);
  Tensor scales = at::empty({troupe::lanes(), troupe::AT_ONCE, units}, x.options());
  troupe::spread((held.rows + troupe::AT_ONCE - 1) / troupe::AT_ONCE, 1, [&](int64_t lane, int64_t begin, int64_t end) {
    float* own = scales.data_ptr<float>() + lane * troupe::AT_ONCE * units;
    for (int64_t p = begin; p < end; p++) {
      int64_t first = p * troupe::AT_ONCE;
      troupe::Blocks w = {{}, own, (int)std::min<int64_t>(troupe::AT_ONCE, held.rows - first), (int)units, four ? table : nullptr, four ? 1 / 127.0f : 1.0f};
      for (int n = 0; n < w.outputs; n++) {
        w.codes[n] = held.at(held.stored(first + n) * inputs);
        held.units(first + n, own + n * units);
      }
      k.blocks(high, fine ? &low : nullptr, steps.data_ptr<float>(), (int)rows, w, y.data_ptr<float>() + first, held.rows);
    }
  });
}

// x wᵀ of a decoding step: a row's bits do not depend on the rows beside it
Tensor product(const Tensor& given, const Tensor& w, at::IntArrayRef how, const Tensor& order, bool fine) {
  const char* where = "troupe::held_product";
  TORCH_CHECK(order.scalar_type() == at::kLong && order.device().is_cpu() && order.dim() == 1 && order.is_contiguous(), where, ": the order must be int64 numbers, is ",
              order.scalar_type(), " ", order.sizes());
  Held held(where, w, how, at::IntArrayRef(order.data_ptr<int64_t>(), order.numel()));
  TORCH_CHECK(given.device().is_cpu() && given.scalar_type() == at::kFloat && given.dim() == 2 && given.size(1) == held.columns, where, ": the rows must be float32 with ",
              held.columns, " numbers each on the CPU, are ", given.scalar_type(), " ", given.sizes());
  TORCH_CHECK(given.size(0) < INT32_MAX && held.rows < INT32_MAX && held.columns < (1 << 20), where, ": rows ", given.sizes(), " and a weight of ", held.rows, " x ", held.columns);
  Tensor x = given.contiguous(), y = at::empty({x.size(0), held.rows}, x.options());
  if (x.size(0) == 0) return y;
  if (held.by_units())
    multiplied_by_bytes(held, x, fine, y);
  else
    multiplied(held, x, y);
  return y;
}

Tensor numbers(const Tensor& w, at::IntArrayRef how, at::IntArrayRef order, bool narrow) {
  Held held("troupe::held_numbers", w, how, order);
  return dense(held, 0, held.rows, narrow);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(troupe, m) {
  // x wᵀ of rows first … first + count - 1 of a weight that is held in blocks and frozen; x and result in bfloat16 or float32
  m.def("held_linear(Tensor x, Tensor w, int[] how, int[] order, int first, int count) -> Tensor");
  // the whole weight, in bfloat16 or float32; without a gradient
  m.def("held_numbers(Tensor w, int[] how, int[] order, bool narrow) -> Tensor");
  // x wᵀ of the whole weight, in float32, for a decoding step: rows are quantised as by linear(), fine or not; without a gradient. order: [rows], or empty
  m.def("held_product(Tensor x, Tensor w, int[] how, Tensor order, bool fine) -> Tensor");
}

TORCH_LIBRARY_IMPL(troupe, CPU, m) {
  m.impl("held_linear", times_transposed);
  m.impl("held_numbers", numbers);
  m.impl("held_product", product);
}

TORCH_LIBRARY_IMPL(troupe, AutogradCPU, m) { m.impl("held_linear", with_gradient); }
