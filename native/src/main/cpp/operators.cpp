// The operators of the library "troupe" as torch knows them: shapes are checked and memory is made here, by torch; the arithmetic is in kernels.cpp.
//
// Work is spread over the lanes of a team or the threads that the calling lane may use (spread.h), in parts that do not change what is added up. Errors are torch's own, in words; DJL hands them on as exceptions.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <cstdlib>
#include <string>
#include <tuple>

#include "kernels.h"
#include "spread.h"
#include "training.h"

// The standard library's headers read this of glibc 2.32, which libtorch runs without. 0: count references as several threads must.
extern "C" {
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}

#ifndef TROUPE_SOURCE
#error "TROUPE_SOURCE must be the hash of the source and flags: see build.sh"
#endif

namespace {

using at::Tensor;
using troupe::Kernels;
typedef std::optional<Tensor> Maybe;

// The environment may ask for others than the processor's best: to compare, and to test them where the best runs.
const char* const ASKED = "TROUPE_INSTRUCTIONS";

const Kernels* choose() {
  const char* asked = std::getenv(ASKED);
  return asked && *asked ? troupe::kernels_named(asked) : troupe::kernels_of_processor();
}

const Kernels& kernels() {
  static const Kernels* const chosen = choose();
  TORCH_CHECK(chosen, ASKED, " is '", std::getenv(ASKED), "', which this processor does not run; allowed: avx512-bf16, avx512-vnni, avx2, plain, of which it must have the instructions");
  return *chosen;
}

std::string instructions() { return kernels().name; }
int64_t largest_weight() { return kernels().largest; }
std::string source() { return TROUPE_SOURCE; }

// ---- checks

void check_floats(const char* where, const char* name, const Tensor& x, int64_t dimensions) {
  TORCH_CHECK(x.device().is_cpu() && x.scalar_type() == at::kFloat && x.dim() == dimensions, where, ": ", name, " must be float32 with ", dimensions,
              " dimensions on the CPU, is ", x.scalar_type(), " ", x.sizes(), " on ", x.device());
}

void check_gain(const char* where, const Tensor& gain, int64_t width) {
  TORCH_CHECK(gain.device().is_cpu() && gain.scalar_type() == at::kFloat && gain.numel() == width && gain.is_contiguous(), where, ": the gain must be ", width,
              " contiguous float32 numbers on the CPU, is ", gain.scalar_type(), " ", gain.sizes());
}

int64_t filled(int64_t inputs) { return (inputs + troupe::INPUTS - 1) / troupe::INPUTS * troupe::INPUTS; }
int64_t panels(int64_t outputs) { return (outputs + troupe::PANEL - 1) / troupe::PANEL; }

troupe::Bytes matrix(const char* where, const Tensor& bytes, const Tensor& scale, const Tensor& sums, int64_t inputs) {
  int64_t outputs = scale.numel();
  TORCH_CHECK(bytes.scalar_type() == at::kChar && scale.scalar_type() == at::kFloat && sums.scalar_type() == at::kInt && sums.numel() == outputs &&
                  bytes.is_contiguous() && scale.is_contiguous() && sums.is_contiguous() && bytes.dim() == 4 && bytes.size(0) == panels(outputs) &&
                  bytes.size(2) == troupe::PANEL && bytes.size(3) == 4,
              where, ": the weights are not as pack() makes them: ", bytes.scalar_type(), " ", bytes.sizes(), ", ", scale.sizes(), ", ", sums.sizes());
  TORCH_CHECK(bytes.size(1) * 4 == filled(inputs), where, ": rows have ", inputs, " numbers, the weights are packed for about ", bytes.size(1) * 4);
  return {bytes.data_ptr<int8_t>(), scale.data_ptr<float>(), sums.data_ptr<int32_t>(), (int)outputs, (int)(bytes.size(1) * 4)};
}

// ---- products of bytes

std::tuple<Tensor, Tensor, Tensor> pack(const Tensor& w) {
  check_floats("troupe::pack", "w", w, 2);
  TORCH_CHECK(w.size(0) > 0 && w.size(1) > 0 && w.size(0) < INT32_MAX - troupe::PANEL && w.size(1) < (1 << 16), "troupe::pack: w is ", w.sizes(),
              ", and products add up at most 65,535 inputs");
  Tensor from = w.contiguous();
  int64_t outputs = w.size(0), inputs = w.size(1), width = filled(inputs);
  Tensor bytes = at::empty({panels(outputs), width / 4, troupe::PANEL, 4}, w.options().dtype(at::kChar));
  Tensor scale = at::empty({outputs}, w.options()), sums = at::empty({outputs}, w.options().dtype(at::kInt));
  const Kernels& k = kernels();
  troupe::spread(panels(outputs), 1, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      int64_t row = p * troupe::PANEL;
      int rows = (int)std::min<int64_t>(troupe::PANEL, outputs - row);
      k.pack(from.data_ptr<float>() + row * inputs, rows, (int)inputs, (int)width, bytes.data_ptr<int8_t>() + p * width * troupe::PANEL, scale.data_ptr<float>() + row,
             sums.data_ptr<int32_t>() + row);
    }
  });
  return {bytes, scale, sums};
}

// rows x [rows, width], each first prepared into a row of its own by `prepare(x, to)`, or as they are where it is null; then times w.
template <typename Prepare>
Tensor product(const char* where, const Tensor& x, int64_t inputs, const Tensor& bytes, const Tensor& scale, const Tensor& sums, bool fine, Prepare prepare) {
  troupe::Bytes w = matrix(where, bytes, scale, sums, inputs);
  const Kernels& k = kernels();
  int64_t rows = x.size(0), width = w.inputs, stride = x.size(1);
  Tensor y = at::empty({rows, w.outputs}, x.options());
  if (rows == 0) return y;
  TORCH_CHECK(rows < INT32_MAX, where, ": ", rows, " rows");
  Tensor quantised = at::empty({(fine ? 2 : 1) * rows, width}, x.options().dtype(at::kByte)), steps = at::empty({rows}, x.options());
  constexpr bool as_they_are = std::is_same_v<Prepare, std::nullptr_t>;
  Tensor room = at::empty({as_they_are ? 0 : troupe::lanes(), inputs}, x.options());
  const float* from = x.data_ptr<float>();
  uint8_t* q = quantised.data_ptr<uint8_t>();
  uint8_t* low = fine ? q + rows * width : nullptr;
  troupe::spread(rows, 4, [&](int64_t lane, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float* row = from + i * stride;
      if constexpr (!as_they_are) {
        float* own = room.data_ptr<float>() + lane * inputs;
        prepare(row, own);
        row = own;
      }
      k.quantise(row, (int)inputs, (int)width, q + i * width, low ? low + i * width : nullptr, steps.data_ptr<float>() + i);
    }
  });
  troupe::spread(panels(w.outputs), 1, [&](int64_t, int64_t begin, int64_t end) {
    k.product(q, low, steps.data_ptr<float>(), (int)rows, w, (int)begin, (int)end, y.data_ptr<float>(), w.outputs);
  });
  return y;
}

Tensor linear(const Tensor& x, const Tensor& bytes, const Tensor& scale, const Tensor& sums, bool fine) {
  check_floats("troupe::linear", "x", x, 2);
  return product("troupe::linear", x.contiguous(), x.size(1), bytes, scale, sums, fine, nullptr);
}

Tensor rms_linear(const Tensor& x, const Tensor& gain, double floor, const Tensor& bytes, const Tensor& scale, const Tensor& sums, bool fine) {
  check_floats("troupe::rms_linear", "x", x, 2);
  int64_t width = x.size(1);
  check_gain("troupe::rms_linear", gain, width);
  return product("troupe::rms_linear", x.contiguous(), width, bytes, scale, sums, fine,
                 [&](const float* row, float* to) { kernels().rms_norm(row, gain.data_ptr<float>(), nullptr, (float)floor, (int)width, to); });
}

// The numbers that remain of a row of x.
int64_t activated_width(const char* where, const Tensor& x, int64_t activation, bool gated) {
  check_floats(where, "x", x, 2);
  TORCH_CHECK(activation >= troupe::SILU && activation <= troupe::RELU, where, ": no activation of number ", activation);
  TORCH_CHECK(!gated || x.size(1) % 2 == 0, where, ": rows of gates and as many factors cannot have ", x.size(1), " numbers");
  return gated ? x.size(1) / 2 : x.size(1);
}

Tensor activated_linear(const Tensor& x, int64_t activation, bool gated, const Tensor& bytes, const Tensor& scale, const Tensor& sums, bool fine) {
  const char* where = "troupe::activated_linear";
  int64_t width = activated_width(where, x, activation, gated);
  return product(where, x.contiguous(), width, bytes, scale, sums, fine,
                 [&](const float* row, float* to) { kernels().activate(row, gated ? row + width : nullptr, (int)activation, (int)width, to); });
}

// ---- products of numbers

// Weights w [outputs, inputs] in panels [panels, inputs, 48], in bfloat16 or float32.
Tensor pack_numbers(const Tensor& w, bool half) {
  check_floats("troupe::pack_numbers", "w", w, 2);
  TORCH_CHECK(w.size(0) > 0 && w.size(1) > 0 && w.size(0) < INT32_MAX - troupe::PANEL && w.size(1) < INT32_MAX, "troupe::pack_numbers: w is ", w.sizes());
  Tensor from = w.contiguous();
  int64_t outputs = w.size(0), inputs = w.size(1);
  Tensor packed = at::empty({panels(outputs), inputs, troupe::PANEL}, w.options().dtype(half ? at::kBFloat16 : at::kFloat));
  char* to = (char*)packed.data_ptr();
  int64_t panel = inputs * troupe::PANEL * (half ? 2 : 4);
  const Kernels& k = kernels();
  troupe::spread(panels(outputs), 1, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; p++) {
      int64_t row = p * troupe::PANEL;
      k.pack_numbers(from.data_ptr<float>() + row * inputs, (int)std::min<int64_t>(troupe::PANEL, outputs - row), (int)inputs, half, to + p * panel);
    }
  });
  return packed;
}

// x [rows, inputs] times packed weights of so many outputs; x is rounded to bfloat16 where they are.
Tensor numbers_linear(const Tensor& x, const Tensor& packed, int64_t outputs) {
  const char* where = "troupe::numbers_linear";
  check_floats(where, "x", x, 2);
  int64_t rows = x.size(0), inputs = x.size(1);
  bool half = packed.scalar_type() == at::kBFloat16;
  TORCH_CHECK((half || packed.scalar_type() == at::kFloat) && packed.is_contiguous() && packed.dim() == 3 && outputs > 0 && packed.size(0) == panels(outputs) &&
                  packed.size(1) == inputs && packed.size(2) == troupe::PANEL,
              where, ": the weights are not as pack_numbers() makes them for ", outputs, " outputs and rows of ", inputs, ": ", packed.scalar_type(), " ", packed.sizes());
  Tensor from = x.contiguous(), y = at::empty({rows, outputs}, x.options());
  if (rows == 0) return y;
  TORCH_CHECK(rows < INT32_MAX, where, ": ", rows, " rows");
  const Kernels& k = kernels();
  if (half) {
    Tensor exact = from;
    from = at::empty(x.sizes(), x.options().dtype(k.pairs ? at::kBFloat16 : at::kFloat));
    int64_t line = inputs * from.element_size();
    troupe::spread(rows, 4, [&](int64_t, int64_t begin, int64_t end) {
      k.round(exact.data_ptr<float>() + begin * inputs, (int)((end - begin) * inputs), (char*)from.data_ptr() + begin * line);
    });
  }
  troupe::Panels w = {packed.data_ptr(), half, (int)outputs, (int)inputs};
  troupe::spread(panels(outputs), 1, [&](int64_t, int64_t begin, int64_t end) {
    k.multiply(from.data_ptr(), inputs, (int)rows, w, (int)begin, (int)end, y.data_ptr<float>(), outputs);
  });
  return y;
}

// ---- what stands between products

Tensor rms_norm(const Tensor& x, const Tensor& gain, double floor, const Maybe& residual) {
  const char* where = "troupe::rms_norm";
  check_floats(where, "x", x, 2);
  check_gain(where, gain, x.size(1));
  TORCH_CHECK(!residual || (residual->sizes() == x.sizes() && residual->scalar_type() == at::kFloat && residual->is_contiguous()), where,
              ": the residual must be contiguous float32 numbers as many as x, ", x.sizes());
  Tensor from = x.contiguous(), y = at::empty(x.sizes(), x.options());
  int64_t n = x.size(1);
  const Kernels& k = kernels();
  troupe::spread(x.size(0), 64, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      k.rms_norm(from.data_ptr<float>() + i * n, gain.data_ptr<float>(), residual ? residual->data_ptr<float>() + i * n : nullptr, (float)floor, (int)n,
                 y.data_ptr<float>() + i * n);
  });
  return y;
}

Tensor layer_norm(const Tensor& x, const Tensor& gain, const Tensor& bias, double floor) {
  const char* where = "troupe::layer_norm";
  check_floats(where, "x", x, 2);
  check_gain(where, gain, x.size(1));
  check_gain(where, bias, x.size(1));
  Tensor from = x.contiguous(), y = at::empty(x.sizes(), x.options());
  int64_t n = x.size(1);
  const Kernels& k = kernels();
  troupe::spread(x.size(0), 64, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      k.layer_norm(from.data_ptr<float>() + i * n, gain.data_ptr<float>(), bias.data_ptr<float>(), (float)floor, (int)n, y.data_ptr<float>() + i * n);
  });
  return y;
}

Tensor activate(const Tensor& x, int64_t activation, bool gated) {
  int64_t width = activated_width("troupe::activate", x, activation, gated), all = x.size(1);
  Tensor from = x.contiguous(), y = at::empty({x.size(0), width}, x.options());
  const Kernels& k = kernels();
  troupe::spread(x.size(0), 4, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const float* row = from.data_ptr<float>() + i * all;
      k.activate(row, gated ? row + width : nullptr, (int)activation, (int)width, y.data_ptr<float>() + i * width);
    }
  });
  return y;
}

// Tokens of each row, as many for all, one behind the other: qkv [rows * tokens, (heads + 2 kv heads) * head_dim] is normed by head (gains of all q and k heads)
// and turned (turns [rows * tokens, head_dim], cosine and sine of each pair in turn) where it lies; keys and values go to the slots from `slot` on of the cache kv
// [2, rows, kv heads, slots, head_dim], float32 or bfloat16; every query head looks at the slots from its row's start to its own, or at the last `window` of
// them. What it comes to depends on the row's tokens up to its own alone, however many there are at once. sources [rows, 2]: slots before the second number are
// read in the row that is the first one, whose slots from this row's start on hold the same; 0 for none.
Tensor attend(const Tensor& qkv, const Maybe& gains, double floor, const Maybe& turns, const Tensor& kv, const Tensor& start, int64_t slot, int64_t window,
              double scale, double cap, const Maybe& slopes, const Maybe& sources) {
  const char* where = "troupe::attend";
  check_floats(where, "qkv", qkv, 2);
  bool half = kv.scalar_type() == at::kBFloat16;
  TORCH_CHECK(kv.device().is_cpu() && (half || kv.scalar_type() == at::kFloat) && kv.dim() == 5, where,
              ": the cache must be float32 or bfloat16 with 5 dimensions on the CPU, is ", kv.scalar_type(), " ", kv.sizes(), " on ", kv.device());
  int64_t rows = kv.size(1), shared = kv.size(2), slots = kv.size(3), d = kv.size(4);
  TORCH_CHECK(qkv.is_contiguous() && kv.is_contiguous() && kv.size(0) == 2 && rows > 0 && qkv.size(0) > 0 && qkv.size(0) % rows == 0 && shared > 0 && d > 0, where,
              ": qkv ", qkv.sizes(), " and the cache ", kv.sizes(), " must be contiguous, and the cache be [2, rows, kv heads, slots, head_dim]");
  int64_t tokens = qkv.size(0) / rows, heads = qkv.size(1) / d - 2 * shared;
  TORCH_CHECK(qkv.size(1) % d == 0 && heads > 0 && heads % shared == 0, where, ": rows of ", qkv.size(1), " numbers are not heads of ", d, " for a cache of ", shared,
              " kv heads");
  TORCH_CHECK(start.scalar_type() == at::kLong && start.is_contiguous() && start.numel() == rows, where, ": start must be ", rows, " int64 numbers, is ",
              start.scalar_type(), " ", start.sizes());
  TORCH_CHECK(slot >= 0 && slot <= slots - tokens && slots < (1 << 24) && d < (1 << 16), where, ": ", tokens, " tokens from slot ", slot, " on of a cache of ", slots);
  if (gains) check_gain(where, *gains, (heads + shared) * d);
  TORCH_CHECK(!turns || (turns->scalar_type() == at::kFloat && turns->is_contiguous() && turns->numel() == rows * tokens * d && d % 2 == 0), where, ": turns must be ",
              rows * tokens, " x ", d, " contiguous float32 numbers, head_dim even");
  TORCH_CHECK(!slopes || (slopes->scalar_type() == at::kFloat && slopes->is_contiguous() && slopes->numel() == heads), where, ": slopes must be ", heads,
              " contiguous float32 numbers");
  const Kernels& k = kernels();
  const troupe::Passes& passes = troupe::passes();
  const int64_t* starts = start.data_ptr<int64_t>();
  for (int64_t i = 0; i < rows; i++)
    TORCH_CHECK(starts[i] >= 0 && starts[i] <= slot, where, ": row ", i, " starts in slot ", starts[i], ", its token is in slot ", slot);
  TORCH_CHECK(!sources || (sources->device().is_cpu() && sources->scalar_type() == at::kLong && sources->is_contiguous() && sources->numel() == 2 * rows), where,
              ": sources must be ", rows, " x 2 int64 numbers");
  const int64_t* from = sources ? sources->data_ptr<int64_t>() : nullptr;
  for (int64_t i = 0; from && i < rows; i++)
    TORCH_CHECK(from[2 * i] >= 0 && from[2 * i] < rows && from[2 * i + 1] >= 0 && from[2 * i + 1] <= slot, where, ": row ", i, " reads slots before ", from[2 * i + 1],
                " of row ", from[2 * i], ", its token is in slot ", slot, " and there are ", rows, " rows");
  int group = (int)(heads / shared);
  int64_t width = qkv.size(1), line = d * (half ? 2 : 4), apart = rows * shared * slots * line;
  Tensor out = at::empty({rows * tokens, heads * d}, qkv.options());
  Tensor room = at::empty({troupe::lanes(), group * (slot + tokens + 16)}, qkv.options());
  float* x = qkv.data_ptr<float>();
  char* cache = (char*)kv.data_ptr();
  troupe::spread(rows * shared, 1, [&](int64_t lane, int64_t begin, int64_t end) {
    float* own = room.data_ptr<float>() + lane * room.size(1);
    for (int64_t item = begin; item < end; item++) {
      int64_t row = item / shared, j = item % shared;
      char* keys = cache + item * slots * line;
      char* values = keys + apart;
      for (int64_t token = row * tokens, here = slot; here < slot + tokens; token++, here++) {
        float* q = x + token * width + j * group * d;
        float* key = x + token * width + (heads + j) * d;
        float* value = key + shared * d;
        for (int h = 0; h <= group; h++) {
          // the query heads, then the key that they share
          float* head = h < group ? q + h * d : key;
          int64_t number = h < group ? j * group + h : heads + j;
          if (gains) k.rms_norm(head, gains->data_ptr<float>() + number * d, nullptr, (float)floor, (int)d, head);
          if (turns) k.rotate(head, turns->data_ptr<float>() + token * d, (int)d);
        }
        for (auto [from, to] : {std::pair(key, keys), std::pair(value, values)}) {
          if (half) passes.copy({from, false}, (int)d, {to + here * line, true});
          else memcpy(to + here * line, from, line);
        }
        int64_t first = window > 0 ? std::max(starts[row], here + 1 - window) : starts[row];
        troupe::Attention a = {(int)(here + 1 - first), (int)d, (float)scale, (float)cap, slopes ? slopes->data_ptr<float>() + j * group : nullptr, half};
        bool more = tokens == 1 && item + 1 < end;
        if (more) a.next = keys + (slots + first) * line;
        if (from && from[2 * row + 1] > first) {
          const char* there = cache + (from[2 * row] * shared + j) * slots * line + first * line;
          a.shared = (int)(from[2 * row + 1] - first);
          a.shared_keys = there;
          a.shared_values = there + apart;
          // the next head of the same rows; behind the last one comes another row, whose prompt is at hand or far off
          if (more && j + 1 < shared) a.next_shared = there + slots * line;
        }
        k.attend(q, keys + first * line, values + first * line, group, a, own, out.data_ptr<float>() + token * heads * d + j * group * d);
      }
    }
  });
  return out;
}

// A token for each row of logits [rows, vocabulary], which are overwritten, and its log-probability: see Kernels::choose. u [rows]
std::tuple<Tensor, Tensor> choose_token(const Tensor& logits, const Tensor& u, double temperature) {
  const char* where = "troupe::choose";
  check_floats(where, "logits", logits, 2);
  check_floats(where, "u", u, 1);
  int64_t rows = logits.size(0), n = logits.size(1);
  TORCH_CHECK(logits.is_contiguous() && n > 0 && n < INT32_MAX - 16 && u.is_contiguous() && u.size(0) == rows && temperature >= 0, where, ": logits ", logits.sizes(),
              " must be contiguous, u ", u.sizes(), " be one number per row, the temperature ", temperature, " not be negative");
  Tensor tokens = at::empty({rows}, logits.options().dtype(at::kLong)), logprobs = at::empty({rows}, logits.options());
  const Kernels& k = kernels();
  troupe::spread(rows, 1, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      tokens.data_ptr<int64_t>()[i] =
          k.choose(logits.data_ptr<float>() + i * n, (int)n, (float)temperature, u.data_ptr<float>()[i], logprobs.data_ptr<float>() + i);
  });
  return {tokens, logprobs};
}

// The log-probability of a token for each row of logits [rows, vocabulary], which are overwritten: see Kernels::logprob_of. tokens [rows]
Tensor logprobs(const Tensor& logits, const Tensor& tokens, double temperature) {
  const char* where = "troupe::logprobs";
  check_floats(where, "logits", logits, 2);
  int64_t rows = logits.size(0), n = logits.size(1);
  TORCH_CHECK(logits.is_contiguous() && n > 0 && n < INT32_MAX - 16 && temperature >= 0, where, ": logits ", logits.sizes(), " must be contiguous, the temperature ",
              temperature, " not be negative");
  TORCH_CHECK(tokens.device().is_cpu() && tokens.scalar_type() == at::kLong && tokens.dim() == 1 && tokens.is_contiguous() && tokens.size(0) == rows, where,
              ": tokens must be ", rows, " int64 numbers, are ", tokens.scalar_type(), " ", tokens.sizes());
  const int64_t* token = tokens.data_ptr<int64_t>();
  for (int64_t i = 0; i < rows; i++) TORCH_CHECK(token[i] >= 0 && token[i] < n, where, ": row ", i, " asks for token ", token[i], " of ", n);
  Tensor out = at::empty({rows}, logits.options());
  const Kernels& k = kernels();
  troupe::spread(rows, 1, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      out.data_ptr<float>()[i] = k.logprob_of(logits.data_ptr<float>() + i * n, (int)n, (float)temperature, (int)token[i]);
  });
  return out;
}

// x [rows, n] bent to cap * tanh(x / cap), where it lies.
Tensor bent(const Tensor& x, double cap) {
  const char* where = "troupe::bent";
  check_floats(where, "x", x, 2);
  TORCH_CHECK(x.is_contiguous() && x.size(1) < INT32_MAX && cap > 0, where, ": x ", x.sizes(), " must be contiguous, the cap ", cap, " above 0");
  const Kernels& k = kernels();
  troupe::spread(x.size(0), 1, [&](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) k.bend(x.data_ptr<float>() + i * x.size(1), (float)cap, (int)x.size(1));
  });
  return x;
}

}  // namespace

const Kernels& troupe::decoding() { return kernels(); }

const troupe::Passes& troupe::passes() {
  static const Passes* const beside = passes_named(kernels().name);
  return *beside;
}

TORCH_LIBRARY(troupe, m) {
  m.def("instructions() -> str", instructions);
  m.def("largest_weight() -> int", largest_weight);
  m.def("source() -> str", source);
  m.def("pack(Tensor w) -> (Tensor, Tensor, Tensor)");
  m.def("linear(Tensor x, Tensor bytes, Tensor scale, Tensor sums, bool fine) -> Tensor");
  m.def("rms_linear(Tensor x, Tensor gain, float floor, Tensor bytes, Tensor scale, Tensor sums, bool fine) -> Tensor");
  m.def("activated_linear(Tensor x, int activation, bool gated, Tensor bytes, Tensor scale, Tensor sums, bool fine) -> Tensor");
  m.def("pack_numbers(Tensor w, bool half) -> Tensor");
  m.def("numbers_linear(Tensor x, Tensor packed, int outputs) -> Tensor");
  m.def("rms_norm(Tensor x, Tensor gain, float floor, Tensor? residual) -> Tensor");
  m.def("layer_norm(Tensor x, Tensor gain, Tensor bias, float floor) -> Tensor");
  m.def("activate(Tensor x, int activation, bool gated) -> Tensor");
  m.def(
      "attend(Tensor(a!) qkv, Tensor? gains, float floor, Tensor? turns, Tensor(b!) kv, Tensor start, int slot, int window, float scale, float cap, Tensor? slopes,"
      " Tensor? sources) -> Tensor");
  m.def("choose(Tensor(a!) logits, Tensor u, float temperature) -> (Tensor, Tensor)");
  m.def("logprobs(Tensor(a!) logits, Tensor tokens, float temperature) -> Tensor");
  m.def("bent(Tensor(a!) x, float cap) -> Tensor(a!)");
}

TORCH_LIBRARY_IMPL(troupe, CPU, m) {
  m.impl("pack", pack);
  m.impl("linear", linear);
  m.impl("rms_linear", rms_linear);
  m.impl("activated_linear", activated_linear);
  m.impl("pack_numbers", pack_numbers);
  m.impl("numbers_linear", numbers_linear);
  m.impl("rms_norm", rms_norm);
  m.impl("layer_norm", layer_norm);
  m.impl("activate", activate);
  m.impl("attend", attend);
  m.impl("choose", choose_token);
  m.impl("logprobs", logprobs);
  m.impl("bent", bent);
}
