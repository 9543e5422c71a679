// Attention of training and scoring, with its gradient, from the product that gives q, k and v to what the output product takes: heads are normed and turned while
// they are copied to float32, some queries at a time look at what is before them, and the backward pass computes probabilities again, so that none are kept.
// What a position comes to depends on its own text alone.
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>

#include "training.h"

#if defined(__x86_64__)
extern "C" void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*, const float*, const int*, const float*, float*,
                       const int*);
#endif

namespace troupe {

void multiply(bool a_turned, bool b_turned, int64_t rows, int64_t columns, int64_t inner, const float* a, int64_t a_stride, const float* b, int64_t b_stride, float beta,
              float* c, int64_t c_stride) {
#if defined(__x86_64__)
  // by columns: cᵀ = bᵀ aᵀ
  int m = (int)columns, n = (int)rows, k = (int)inner, of_a = (int)a_stride, of_b = (int)b_stride, of_c = (int)c_stride;
  float one = 1.0f;
  sgemm_(b_turned ? "T" : "N", a_turned ? "T" : "N", &m, &n, &k, &one, b, &of_b, a, &of_a, &beta, c, &of_c);
#else
  auto matrix = [](const float* p, int64_t stride, int64_t r, int64_t s) { return at::from_blob((void*)p, {r, s}, {stride, 1}, at::kFloat); };
  at::Tensor left = a_turned ? matrix(a, a_stride, inner, rows).t() : matrix(a, a_stride, rows, inner);
  at::Tensor right = b_turned ? matrix(b, b_stride, columns, inner).t() : matrix(b, b_stride, inner, columns), out = matrix(c, c_stride, rows, columns);
  at::addmm_out(out, out, left, right, beta);
#endif
}

}  // namespace troupe

namespace {

using at::Tensor;
using troupe::Head;
using troupe::multiply;
using troupe::Passes;
using troupe::Rows;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
typedef std::optional<Tensor> Maybe;

// Rows of a product of queries with keys.
constexpr int64_t QUERIES = 96;

// Numbers that a buffer of n has room for: each begins where a line of the cache does, as what a product adds up first may depend on that.
int64_t lines(int64_t n) { return (n + 15) / 16 * 16; }

struct Sizes {
  int64_t heads, shared, d;  // query heads; those of keys and values; numbers of each
  int64_t window;            // positions that one looks at, itself included; 0 for all before it
  float scale, eps, plus;    // plus: on gains
  std::vector<int64_t> sections;  // rows and tokens of each, in turn

  int64_t group() const { return heads / shared; }
  int64_t positions() const {
    int64_t all = 0;
    for (size_t i = 0; i < sections.size(); i += 2) all += sections[i] * sections[i + 1];
    return all;
  }
  int64_t longest() const {
    int64_t most = 0;
    for (size_t i = 1; i < sections.size(); i += 2) most = std::max(most, sections[i]);
    return most;
  }
  // queries of a block
  int64_t block() const { return std::max<int64_t>(8, QUERIES / group()); }
};

void check(const Tensor& qkv, const Maybe& q_gain, const Maybe& k_gain, const Maybe& turns, const Sizes& s) {
  const char* where = "troupe::attended";
  TORCH_CHECK(s.heads > 0 && s.shared > 0 && s.heads % s.shared == 0 && s.window >= 0, where, ": ", s.heads, " heads cannot share ", s.shared, ", or the window is ", s.window);
  TORCH_CHECK(troupe::is_numbers(qkv) && qkv.dim() == 2 && qkv.size(1) > 0 && qkv.size(1) % (s.heads + 2 * s.shared) == 0, where,
              ": qkv must be rows of float32 or bfloat16 on the CPU, heads of q, k and v side by side, is ", qkv.scalar_type(), " ", qkv.sizes(), " on ", qkv.device(), " for ",
              s.heads, " and 2 x ", s.shared, " heads");
  TORCH_CHECK(s.sections.size() % 2 == 0 && std::all_of(s.sections.begin(), s.sections.end(), [](int64_t n) { return n >= 0 && n < INT32_MAX / 256; }), where,
              ": sections must be rows and tokens in turn, are ", at::IntArrayRef(s.sections));
  TORCH_CHECK(s.positions() == qkv.size(0), where, ": the sections ", at::IntArrayRef(s.sections), " have ", s.positions(), " positions, qkv has ", qkv.size(0));
  for (const Maybe& gain : {q_gain, k_gain})
    TORCH_CHECK(gain.has_value() == q_gain.has_value() && (!gain || (gain->device().is_cpu() && gain->scalar_type() == at::kFloat && gain->is_contiguous() && gain->numel() == s.d)),
                where, ": gains must be ", s.d, " contiguous float32 numbers, of q and of k or of neither");
  TORCH_CHECK(!turns || (turns->device().is_cpu() && turns->scalar_type() == at::kFloat && turns->is_contiguous() && turns->numel() == qkv.size(0) * s.d && s.d % 2 == 0), where,
              ": turns must be ", qkv.size(0), " x ", s.d, " contiguous float32 numbers and heads even");
}

// One text and the query heads that share keys and values: its numbers in float32, by position. A position's query heads are rows beside one another.
struct Item {
  const Sizes& s;
  const Passes& passes;
  const float *q_gain, *k_gain, *turns;
  int64_t text;   // first of its positions in qkv
  int64_t t;      // tokens
  int64_t j;      // number of the head of keys and values
  float *q, *k, *v;

  Head head(int64_t position, bool is_q) const {
    const float* turn = turns ? turns + (text + position) * s.d : nullptr;
    return {is_q ? q_gain : k_gain, s.plus, s.eps, turn, is_q ? s.scale : 1.0f};
  }
  int64_t q_column(int64_t h) const { return (j * s.group() + h) * s.d; }
  int64_t k_column() const { return (s.heads + j) * s.d; }
  int64_t v_column() const { return (s.heads + s.shared + j) * s.d; }

  void read(const Rows& qkv) const {
    int64_t g = s.group(), d = s.d;
    for (int64_t i = 0; i < t; i++) {
      for (int64_t h = 0; h < g; h++) passes.head(qkv.from(text + i, q_column(h)), head(i, true), (int)d, q + (i * g + h) * d);
      passes.head(qkv.from(text + i, k_column()), head(i, false), (int)d, k + i * d);
      passes.copy(qkv.from(text + i, v_column()), (int)d, {v + i * d, false});
    }
  }

  // first position that one looks at
  int64_t first(int64_t position) const { return s.window > 0 ? std::max<int64_t>(0, position + 1 - s.window) : 0; }

  // Probabilities of queries begin ... end - 1 with positions low ... end - 1, into p [queries * group, end - low]
  void probabilities(int64_t begin, int64_t end, int64_t low, float* p) const {
    int64_t g = s.group(), m = end - low, d = s.d;
    multiply(false, true, (end - begin) * g, m, d, q + begin * g * d, d, k + low * d, d, 0, p, m);
    for (int64_t i = begin; i < end; i++)
      for (int64_t h = 0; h < g; h++) passes.softmax(p + ((i - begin) * g + h) * m, (int)(first(i) - low), (int)(i + 1 - low), (int)m);
  }

  void attend(const Rows& out, float* p, float* o) const {
    int64_t g = s.group(), d = s.d;
    for (int64_t begin = 0; begin < t; begin += s.block()) {
      int64_t end = std::min(t, begin + s.block()), low = first(begin), m = end - low;
      probabilities(begin, end, low, p);
      multiply(false, false, (end - begin) * g, d, m, p, m, v + low * d, d, 0, o, d);
      for (int64_t i = begin; i < end; i++) passes.copy({o + (i - begin) * g * d, false}, (int)(g * d), out.to(text + i, q_column(0)));
    }
  }

  // of_out is given; of_qkv is written. room for: p and of_p as p, o and of_q as o, of_k and of_v as k, and one row
  void attend_back(const Rows& qkv, const Rows& of_out, const Rows& of_qkv, float* p, float* of_p, float* o, float* of_q, float* of_k, float* of_v, float* row,
                   float* of_q_gain, float* of_k_gain) const {
    int64_t g = s.group(), d = s.d;
    std::fill(of_k, of_k + t * d, 0.0f);
    std::fill(of_v, of_v + t * d, 0.0f);
    for (int64_t begin = 0; begin < t; begin += s.block()) {
      int64_t end = std::min(t, begin + s.block()), low = first(begin), m = end - low, n = (end - begin) * g;
      probabilities(begin, end, low, p);
      for (int64_t i = begin; i < end; i++) passes.copy(of_out.from(text + i, q_column(0)), (int)(g * d), {o + (i - begin) * g * d, false});
      multiply(true, false, m, d, n, p, m, o, d, 1, of_v + low * d, d);
      multiply(false, true, n, m, d, o, d, v + low * d, d, 0, of_p, m);
      for (int64_t i = begin; i < end; i++)
        for (int64_t h = 0; h < g; h++) {
          int64_t at = ((i - begin) * g + h) * m;
          passes.softmax_back(p + at, of_p + at, (int)(first(i) - low), (int)(i + 1 - low), (int)m);
        }
      multiply(true, false, m, d, n, of_p, m, q + begin * g * d, d, 1, of_k + low * d, d);
      multiply(false, false, n, d, m, of_p, m, k + low * d, d, 0, of_q, d);
      for (int64_t i = begin; i < end; i++)
        for (int64_t h = 0; h < g; h++)
          passes.head_back(qkv.from(text + i, q_column(h)), head(i, true), of_q + ((i - begin) * g + h) * d, (int)d, row, of_qkv.to(text + i, q_column(h)), of_q_gain);
    }
    for (int64_t i = 0; i < t; i++) {
      passes.head_back(qkv.from(text + i, k_column()), head(i, false), of_k + i * d, (int)d, row, of_qkv.to(text + i, k_column()), of_k_gain);
      passes.copy({of_v + i * d, false}, (int)d, of_qkv.to(text + i, v_column()));
    }
  }
};

// Calls work(item, its room, number) for each text and head of keys and values; room for `extra` numbers behind the item's own.
template <typename Work>
void each_item(const Tensor& qkv, const Maybe& q_gain, const Maybe& k_gain, const Maybe& turns, const Sizes& s, int64_t extra, Work work) {
  int64_t longest = s.longest(), queries = lines(longest * s.d * s.group()), keys = lines(longest * s.d);
  Tensor room = at::empty({at::get_num_threads(), queries + 2 * keys + lines(extra)}, qkv.options().dtype(at::kFloat));
  std::vector<std::pair<int64_t, int64_t>> texts;  // first position and tokens
  int64_t at = 0;
  for (size_t i = 0; i < s.sections.size(); i += 2)
    for (int64_t row = 0; row < s.sections[i]; row++, at += s.sections[i + 1]) texts.emplace_back(at, s.sections[i + 1]);
  const Passes& passes = troupe::passes();
  auto numbers = [](const Maybe& x) { return x ? x->data_ptr<float>() : nullptr; };
  at::parallel_for(0, (int64_t)texts.size() * s.shared, 1, [&](int64_t begin, int64_t end) {
    float* q = room.data_ptr<float>() + at::get_thread_num() * room.size(1);
    float *k = q + queries, *v = k + keys;
    for (int64_t n = begin; n < end; n++) {
      auto [text, tokens] = texts[n / s.shared];
      Item item = {s, passes, numbers(q_gain), numbers(k_gain), numbers(turns), text, tokens, n % s.shared, q, k, v};
      item.read(Rows(qkv));
      work(item, v + keys, n);
    }
  });
}

Tensor forward(const Tensor& qkv, const Maybe& q_gain, const Maybe& k_gain, const Maybe& turns, const Sizes& s) {
  check(qkv, q_gain, k_gain, turns, s);
  Tensor out = at::empty({qkv.size(0), s.heads * s.d}, qkv.options());
  int64_t scores = lines(s.block() * s.group() * s.longest());
  each_item(qkv, q_gain, k_gain, turns, s, scores + s.block() * s.group() * s.d, [&](const Item& item, float* room, int64_t) { item.attend(Rows(out), room, room + scores); });
  return out;
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& of_out, const Tensor& qkv, const Maybe& q_gain, const Maybe& k_gain, const Maybe& turns, const Sizes& s, bool trained) {
  Tensor of_qkv = at::empty(qkv.sizes(), qkv.options());
  int64_t rows = s.block() * s.group(), scores = lines(rows * s.longest()), outs = lines(rows * s.d), keys = lines(s.longest() * s.d);
  // each item's own sums, added up in their order
  int64_t items = 0;
  for (size_t i = 0; i < s.sections.size(); i += 2) items += s.sections[i] * s.shared;
  Tensor gains = trained ? at::zeros({items, 2, s.d}, qkv.options().dtype(at::kFloat)) : Tensor();
  each_item(qkv, q_gain, k_gain, turns, s, 2 * scores + 2 * outs + 2 * keys + s.d, [&](const Item& item, float* p, int64_t n) {
    float *of_p = p + scores, *o = of_p + scores, *of_q = o + outs, *of_k = of_q + outs, *of_v = of_k + keys, *row = of_v + keys;
    float* sums = trained ? gains.data_ptr<float>() + n * 2 * s.d : nullptr;
    item.attend_back(Rows(qkv), Rows(of_out), Rows(of_qkv), p, of_p, o, of_q, of_k, of_v, row, sums, trained ? sums + s.d : nullptr);
  });
  if (!trained) return {of_qkv, Tensor(), Tensor()};
  Tensor sums = gains.sum(0);
  return {of_qkv, sums[0].view(q_gain->sizes()), sums[1].view(k_gain->sizes())};
}

Sizes sizes(const Tensor& qkv, double eps, bool plus_one, at::IntArrayRef sections, int64_t heads, int64_t shared, int64_t window, double scale) {
  int64_t all = std::max<int64_t>(1, heads + 2 * shared);
  return {heads, shared, qkv.size(-1) / all, window, (float)scale, (float)eps, plus_one ? 1.0f : 0.0f, sections.vec()};
}

Tensor attended(const Tensor& qkv, const Maybe& q_gain, const Maybe& k_gain, double eps, bool plus_one, const Maybe& turns, at::IntArrayRef sections, int64_t heads, int64_t shared,
                int64_t window, double scale) {
  return forward(troupe::by_row(qkv), q_gain, k_gain, turns, sizes(qkv, eps, plus_one, sections, heads, shared, window, scale));
}

struct Attended : torch::autograd::Function<Attended> {
  static Tensor forward(AutogradContext* context, const Tensor& qkv, const Maybe& q_gain, const Maybe& k_gain, double eps, bool plus_one, const Maybe& turns,
                        at::IntArrayRef sections, int64_t heads, int64_t shared, int64_t window, double scale) {
    at::AutoDispatchBelowADInplaceOrView below;
    Tensor own = troupe::by_row(qkv);
    Tensor out = ::forward(own, q_gain, k_gain, turns, sizes(qkv, eps, plus_one, sections, heads, shared, window, scale));
    auto tensor = [](const Maybe& x) { return x ? *x : Tensor(); };
    context->save_for_backward({own, tensor(q_gain), tensor(k_gain), tensor(turns)});
    auto& saved = context->saved_data;
    saved["eps"] = eps;
    saved["plus_one"] = plus_one;
    saved["sections"] = sections.vec();
    saved["heads"] = heads;
    saved["shared"] = shared;
    saved["window"] = window;
    saved["scale"] = scale;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list given) {
    variable_list tensors = context->get_saved_variables();
    auto maybe = [](const Tensor& x) { return x.defined() ? Maybe(x) : Maybe(); };
    auto& saved = context->saved_data;
    std::vector<int64_t> sections = saved["sections"].toIntVector();
    Sizes s = sizes(tensors[0], saved["eps"].toDouble(), saved["plus_one"].toBool(), sections, saved["heads"].toInt(), saved["shared"].toInt(), saved["window"].toInt(),
                    saved["scale"].toDouble());
    auto [of_qkv, of_q_gain, of_k_gain] =
        ::backward(troupe::by_row(given[0]), tensors[0], maybe(tensors[1]), maybe(tensors[2]), maybe(tensors[3]), s, tensors[1].defined() && tensors[1].requires_grad());
    Tensor none;
    return {of_qkv, of_q_gain, of_k_gain, none, none, none, none, none, none, none, none};
  }
};

Tensor attended_with_gradient(const Tensor& qkv, const Maybe& q_gain, const Maybe& k_gain, double eps, bool plus_one, const Maybe& turns, at::IntArrayRef sections, int64_t heads,
                              int64_t shared, int64_t window, double scale) {
  return Attended::apply(qkv, q_gain, k_gain, eps, plus_one, turns, sections, heads, shared, window, scale);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(troupe, m) {
  // qkv [positions, (heads + 2 shared) * d], d numbers a head, in float32 or bfloat16; gains [d] of RMS norms of q and k heads; turns [positions, d], cosine and sine of each
  // pair of neighbours in turn; sections: texts and tokens of each, in turn, one behind the other. The result is [positions, heads * d], in the numbers of qkv.
  m.def(
      "attended(Tensor qkv, Tensor? q_gain, Tensor? k_gain, float eps, bool plus_one, Tensor? turns, int[] sections, int heads, int shared, int window, float scale) -> Tensor");
}

TORCH_LIBRARY_IMPL(troupe, CPU, m) { m.impl("attended", attended); }

TORCH_LIBRARY_IMPL(troupe, AutogradCPU, m) { m.impl("attended", attended_with_gradient); }
