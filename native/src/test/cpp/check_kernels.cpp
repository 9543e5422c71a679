// Every kernel of every instruction set that this processor has, on shapes, values and lengths drawn at random, against the same in double; and that a row's
// bits do not depend on the rows beside it. Buffers are as long as they must be and no longer, so that a sanitizer sees a step beyond.
//   check [seconds [seed]]
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "../../main/cpp/kernels.h"
#include "../../main/cpp/team.h"
#include "check.h"

using namespace troupe;

// ---- products of bytes

struct Matrix {
  std::vector<int8_t> bytes, panels;
  Row scale;
  std::vector<int32_t> sums;
  Bytes view;
};

static Matrix matrix(int outputs, int inputs, int largest) {
  int filled = (inputs + INPUTS - 1) / INPUTS * INPUTS, panels = (outputs + PANEL - 1) / PANEL;
  Matrix m;
  m.bytes.resize((size_t)outputs * inputs);
  for (int8_t& b : m.bytes) b = (int8_t)between(-largest, largest);
  m.panels.assign((size_t)panels * filled * PANEL, 0);
  m.sums.assign(outputs, 0);
  m.scale.resize(outputs);
  for (int n = 0; n < outputs; n++) {
    m.scale[n] = 0.01f * (1 + std::fabs(normal()));
    for (int k = 0; k < inputs; k++) {
      int8_t b = m.bytes[(size_t)n * inputs + k];
      m.panels[(((size_t)(n / PANEL) * (filled / 4) + k / 4) * PANEL + n % PANEL) * 4 + k % 4] = b;
      m.sums[n] += 128 * b;
    }
  }
  m.view = {m.panels.data(), m.scale.data(), m.sums.data(), outputs, filled};
  return m;
}

// Weights packed, and read again.
static void packs(const Kernels& k, int outputs, int inputs) {
  shape = "outputs " + std::to_string(outputs) + ", inputs " + std::to_string(inputs);
  int filled = (inputs + INPUTS - 1) / INPUTS * INPUTS;
  Row w = normals((size_t)outputs * inputs, between(0, 9) == 0 ? 1e-20f : 1.0f), scale(outputs);
  std::vector<int8_t> panel((size_t)filled * PANEL, 77);
  std::vector<int32_t> sums(outputs);
  k.pack(w.data(), outputs, inputs, filled, panel.data(), scale.data(), sums.data());
  for (int n = 0; n < PANEL; n++) {
    float most = 0;
    for (int i = 0; n < outputs && i < inputs; i++) most = std::fmax(most, std::fabs(w[(size_t)n * inputs + i]));
    float step = std::fmax(most, 1e-12f) / (float)k.largest;
    int sum = 0;
    for (int i = 0; i < filled; i++) {
      int found = panel[((size_t)(i / 4) * PANEL + n) * 4 + i % 4];
      near("packed byte", found, n < outputs && i < inputs ? std::nearbyintf(w[(size_t)n * inputs + i] / step) : 0, 0);
      sum += 128 * found;
    }
    if (n < outputs) {
      near("scale of an output", scale[n], step, 0);
      near("sum of an output", sums[n], sum, 0);
    }
  }
}

static void products(const Kernels& k, int rows, int outputs, int inputs, bool fine) {
  shape = "rows " + std::to_string(rows) + ", outputs " + std::to_string(outputs) + ", inputs " + std::to_string(inputs) + (fine ? ", two bytes" : "");
  Matrix m = matrix(outputs, inputs, k.largest);
  int filled = m.view.inputs;
  Row x = normals((size_t)rows * inputs, between(0, 9) == 0 ? 1e-20f : 3.0f);
  if (between(0, 3) == 0) x[between(0, (int)x.size() - 1)] = 500;
  std::vector<uint8_t> q((size_t)rows * filled), low(fine ? q.size() : 0);
  Row scale(rows), y((size_t)rows * outputs, NAN);
  for (int i = 0; i < rows; i++)
    k.quantise(x.data() + (size_t)i * inputs, inputs, filled, q.data() + (size_t)i * filled, fine ? low.data() + (size_t)i * filled : nullptr, &scale[i]);
  int panels = (outputs + PANEL - 1) / PANEL, cut = between(0, panels);
  k.product(q.data(), fine ? low.data() : nullptr, scale.data(), rows, m.view, 0, cut, y.data(), outputs);
  k.product(q.data(), fine ? low.data() : nullptr, scale.data(), rows, m.view, cut, panels, y.data(), outputs);
  for (int i = 0; i < rows; i++) {
    float most = 0;
    for (int j = 0; j < inputs; j++) most = std::fmax(most, std::fabs(x[(size_t)i * inputs + j]));
    float step = std::fmax(most, 1e-12f) * 0.007874015748031496f;
    near("scale", scale[i], step, 0);
    std::vector<int> high(inputs), rest(inputs);
    for (int j = 0; j < inputs; j++) {
      float v = x[(size_t)i * inputs + j] / step;
      high[j] = (int)std::nearbyintf(v);
      rest[j] = (int)std::nearbyintf((v - std::nearbyintf(v)) * 254.0f);
      near("byte", q[(size_t)i * filled + j], high[j] + 128, 0);
      if (fine) near("second byte", low[(size_t)i * filled + j], rest[j] + 128, 0);
    }
    for (int j = inputs; j < filled; j++) near("filling", q[(size_t)i * filled + j], 128, 0);
    for (int n = 0; n < outputs; n++) {
      long a = 0, b = 0;
      for (int j = 0; j < inputs; j++) {
        a += (long)high[j] * m.bytes[(size_t)n * inputs + j];
        b += (long)rest[j] * m.bytes[(size_t)n * inputs + j];
      }
      double exact = ((double)a + (fine ? (double)b / 254 : 0)) * m.scale[n] * scale[i];
      double magnitude = (std::fabs((double)a) + std::fabs((double)b) / 254) * m.scale[n] * scale[i];
      near("product", y[(size_t)i * outputs + n], exact, 3e-7 * magnitude);
    }
    Row alone(outputs);
    k.product(q.data() + (size_t)i * filled, fine ? low.data() + (size_t)i * filled : nullptr, &scale[i], 1, m.view, 0, panels, alone.data(), outputs);
    same("a row by itself", alone, Row(y.begin() + (size_t)i * outputs, y.begin() + (size_t)(i + 1) * outputs));
  }
}

static float cut(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

static void numbers(const Kernels& k, int rows, int outputs, int inputs, bool half) {
  shape = "rows " + std::to_string(rows) + ", outputs " + std::to_string(outputs) + ", inputs " + std::to_string(inputs) + (half ? ", bfloat16" : ", float32");
  int panels = (outputs + PANEL - 1) / PANEL, size = half ? 2 : 4;
  Row w = normals((size_t)outputs * inputs), x = normals((size_t)rows * inputs), y((size_t)rows * outputs, NAN);
  std::vector<char> packed((size_t)panels * inputs * PANEL * size, 77);
  for (int p = 0; p < panels; p++)
    k.pack_numbers(w.data() + (size_t)p * PANEL * inputs, std::min(PANEL, outputs - p * PANEL), inputs, half, packed.data() + (size_t)p * inputs * PANEL * size);
  Panels m = {packed.data(), half, outputs, inputs};
  int each = half && k.pairs ? 2 : 4;
  std::vector<char> given(x.size() * each);
  if (half) k.round(x.data(), (int)x.size(), given.data());
  else std::memcpy(given.data(), x.data(), given.size());
  for (size_t i = 0; i < x.size(); i++) {
    if (half) x[i] = cut(x[i]);
    // of two bytes the upper half of four, which here are the last ones
    if (std::memcmp(given.data() + i * each, (const char*)&x[i] + 4 - each, each) != 0) fail("number given", (double)i, x[i]);
  }
  int done = between(0, panels);
  k.multiply(given.data(), inputs, rows, m, 0, done, y.data(), outputs);
  k.multiply(given.data(), inputs, rows, m, done, panels, y.data(), outputs);
  for (int i = 0; i < rows; i++) {
    for (int n = 0; n < outputs; n++) {
      double exact = 0, magnitude = 0;
      for (int j = 0; j < inputs; j++) {
        float weight = w[(size_t)n * inputs + j];
        double term = (double)x[(size_t)i * inputs + j] * (half ? cut(weight) : weight);
        exact += term;
        magnitude += std::fabs(term);
      }
      near("product of numbers", y[(size_t)i * outputs + n], exact, 1e-6 * magnitude);
    }
    Row alone(outputs);
    k.multiply(given.data() + (size_t)i * inputs * each, inputs, 1, m, 0, panels, alone.data(), outputs);
    same("a row of numbers by itself", alone, Row(y.begin() + (size_t)i * outputs, y.begin() + (size_t)(i + 1) * outputs));
  }
}

// With weights in blocks: codes of four bits and a table, or bytes.
static void in_blocks(const Kernels& k, int rows, int outputs, int units, bool four, bool fine) {
  shape = "rows " + std::to_string(rows) + ", outputs " + std::to_string(outputs) + ", units " + std::to_string(units) + (four ? ", four bits" : ", eight bits") + (fine ? ", two bytes" : "");
  int inputs = units * UNIT, chunk = four ? 128 : 64, chunks = (inputs + chunk - 1) / chunk;
  std::vector<int8_t> table(16);
  for (int8_t& t : table) t = (int8_t)between(-127, 127);
  std::vector<std::vector<uint8_t>> codes(outputs, std::vector<uint8_t>(four ? inputs / 2 : inputs));
  for (auto& own : codes)
    for (uint8_t& c : own) c = (uint8_t)between(0, 255);
  Row scales((size_t)outputs * units), x = normals((size_t)rows * inputs, 3.0f), scale(rows), y((size_t)rows * outputs, NAN);
  for (float& s : scales) s = 0.01f * (1 + std::fabs(normal()));
  Blocks w = {};
  w.scales = scales.data(), w.outputs = outputs, w.units = units, w.table = four ? table.data() : nullptr, w.step = four ? 1 / 127.0f : 1.0f;
  for (int n = 0; n < outputs; n++) w.codes[n] = codes[n].data();
  std::vector<uint8_t> q((size_t)rows * inputs), low(q.size());
  std::vector<int8_t> bytes((size_t)rows * chunks * chunk), rest(bytes.size());
  std::vector<int32_t> offsets((size_t)rows * chunks * 16), others(offsets.size());
  for (int i = 0; i < rows; i++) {
    size_t at = (size_t)i * inputs, to = (size_t)i * chunks;
    k.quantise(x.data() + at, inputs, inputs, q.data() + at, low.data() + at, &scale[i]);
    k.arrange(q.data() + at, inputs, four, bytes.data() + to * chunk, offsets.data() + to * 16);
    k.arrange(low.data() + at, inputs, four, rest.data() + to * chunk, others.data() + to * 16);
  }
  Arranged high = {bytes.data(), offsets.data()}, second = {rest.data(), others.data()};
  k.blocks(high, fine ? &second : nullptr, scale.data(), rows, w, y.data(), outputs);
  for (int i = 0; i < rows; i++) {
    for (int n = 0; n < outputs; n++) {
      double exact = 0, magnitude = 0;
      for (int j = 0; j < inputs; j++) {
        uint8_t c = codes[n][four ? j / 2 : j];
        double number = (four ? table[j % 2 ? c & 15 : c >> 4] : (int8_t)c) * (double)w.step * scales[(size_t)n * units + j / UNIT];
        double given = (q[(size_t)i * inputs + j] - 128 + (fine ? (low[(size_t)i * inputs + j] - 128) / 254.0 : 0)) * scale[i];
        exact += number * given;
        magnitude += std::fabs(number * given);
      }
      near("product with blocks", y[(size_t)i * outputs + n], exact, 1e-6 * magnitude);
    }
    Row alone(outputs);
    size_t at = (size_t)i * chunks;
    Arranged own = {bytes.data() + at * chunk, offsets.data() + at * 16}, own_second = {rest.data() + at * chunk, others.data() + at * 16};
    k.blocks(own, fine ? &own_second : nullptr, &scale[i], 1, w, alone.data(), outputs);
    same("a row with blocks by itself", alone, Row(y.begin() + (size_t)i * outputs, y.begin() + (size_t)(i + 1) * outputs));
  }
}

// The largest numbers on both sides, which 16 bits cannot add.
static void extremes(const Kernels& k) {
  for (int sign : {-1, 1}) {
    int inputs = 4096, outputs = PANEL;
    shape = "extremes";
    Matrix m = matrix(outputs, inputs, 0);
    std::fill(m.panels.begin(), m.panels.end(), (int8_t)(sign * k.largest));
    std::fill(m.sums.begin(), m.sums.end(), sign * 128 * inputs * k.largest);
    std::vector<uint8_t> q(inputs, 255);
    float one = 1;
    Row y(outputs);
    std::fill(m.scale.begin(), m.scale.end(), 1.0f);
    k.product(q.data(), nullptr, &one, 1, m.view, 0, 1, y.data(), outputs);
    for (float f : y) near("extreme", f, sign * 127.0 * inputs * k.largest, 0);
  }
}

// ---- between products

static void norms(const Kernels& k, int n) {
  shape = "width " + std::to_string(n);
  Row x = normals(n), gain = normals(n), residual = normals(n), y(n), z(n);
  float floor = 1e-5f * n;
  k.rms_norm(x.data(), gain.data(), nullptr, floor, n, y.data());
  k.rms_norm(x.data(), gain.data(), residual.data(), floor, n, z.data());
  double squares = floor;
  for (float v : x) squares += (double)v * v;
  for (int i = 0; i < n; i++) {
    double exact = x[i] / std::sqrt(squares) * gain[i];
    near("norm", y[i], exact, 1e-6 * std::fabs(exact));
    near("norm and residual", z[i], exact + residual[i], 1e-6 * (std::fabs(exact) + std::fabs(residual[i])));
  }
  float shift = 3 * normal();
  Row shifted = x, w(n);
  for (float& v : shifted) v += shift;
  k.layer_norm(shifted.data(), gain.data(), residual.data(), 1e-5f, n, w.data());
  double mean = 0, variance = 0;
  for (float v : shifted) mean += v / (double)n;
  for (float v : shifted) variance += (v - mean) * (v - mean) / n;
  for (int i = 0; i < n; i++) {
    double r = gain[i] / std::sqrt(variance + 1e-5), exact = (shifted[i] - mean) * r + residual[i];
    near("layer norm", w[i], exact, 1e-6 * (std::fabs(exact) + std::fabs(residual[i]) + (std::fabs(shifted[i]) + std::fabs(shift) + 1) * std::fabs(r)));
  }
  k.rms_norm(x.data(), gain.data(), nullptr, floor, n, x.data());
  same("norm in place", x, y);
}

static void rotations(const Kernels& k, int pairs) {
  shape = "pairs " + std::to_string(pairs);
  Row x = normals(2 * pairs), turns(2 * pairs), y = x;
  for (int i = 0; i < pairs; i++) {
    float angle = normal();
    turns[2 * i] = std::cos(angle);
    turns[2 * i + 1] = std::sin(angle);
  }
  k.rotate(y.data(), turns.data(), 2 * pairs);
  for (int i = 0; i < pairs; i++) {
    double a = x[2 * i], b = x[2 * i + 1], c = turns[2 * i], s = turns[2 * i + 1];
    near("turn", y[2 * i], a * c - b * s, 1e-6 * (std::fabs(a) + std::fabs(b)));
    near("turn", y[2 * i + 1], a * s + b * c, 1e-6 * (std::fabs(a) + std::fabs(b)));
  }
}

static double exactly(double x, int activation) {
  if (activation == SILU) return x / (1 + std::exp(-x));
  if (activation == GELU) return 0.5 * x * std::erfc(-x * 0.7071067811865476);
  if (activation == GELU_TANH) return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  return x < 0 ? 0 : x;
}

static void activations(const Kernels& k, int n) {
  shape = "numbers " + std::to_string(n);
  for (int activation : {SILU, GELU, GELU_TANH, RELU}) {
    Row x = normals(n, between(0, 5) == 0 ? 100 : 2), up = normals(n), y(n), z(n);
    k.activate(x.data(), up.data(), activation, n, y.data());
    k.activate(x.data(), nullptr, activation, n, z.data());
    for (int i = 0; i < n; i++) {
      double exact = exactly(x[i], activation);
      double tolerance = 2e-6 * std::fabs(exact) + 1e-9 * (1 + std::fabs(x[i]));
      near("activation", z[i], exact, tolerance);
      near("activation times up", y[i], exact * up[i], tolerance * std::fabs(up[i]) + 1e-12);
    }
  }
}

// ---- attention

// Numbers as a cache holds them: float32, or bfloat16.
struct Cached {
  Row values;
  std::vector<uint16_t> halves;
  Cached(Row given, bool half) : values(std::move(given)) {
    if (!half) return;
    for (float& v : values) {
      uint32_t bits;
      v = cut(v);
      std::memcpy(&bits, &v, sizeof bits);
      halves.push_back((uint16_t)(bits >> 16));
    }
  }
  void lose(size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
      if (halves.empty()) values[i] = NAN;
      else halves[i] = 0x7fc0;
  }
  const void* data() const { return halves.empty() ? (const void*)values.data() : halves.data(); }
};

static void attention(const Kernels& k, int slots, int head_dim, int group, bool cap, bool alibi, bool half) {
  shape = "slots " + std::to_string(slots) + ", head " + std::to_string(head_dim) + ", group " + std::to_string(group) + (cap ? ", cap" : "") + (alibi ? ", ALiBi" : "") +
          (half ? ", bfloat16" : "");
  Row q = normals((size_t)group * head_dim);
  Cached keys(normals((size_t)slots * head_dim), half), values(normals((size_t)slots * head_dim), half);
  Row slopes = normals(group, 0.1f), room((size_t)group * (slots + 16)), out(q.size(), NAN);
  Attention a = {slots, head_dim, (float)(1 / std::sqrt((double)head_dim)), cap ? 2.0f : 0.0f, alibi ? slopes.data() : nullptr, half};
  if (between(0, 1)) a.next = keys.data();
  k.attend(q.data(), keys.data(), values.data(), group, a, room.data(), out.data());
  for (int g = 0; g < group; g++) {
    std::vector<double> p(slots);
    double most = -INFINITY, total = 0;
    for (int s = 0; s < slots; s++) {
      double dot = 0;
      for (int d = 0; d < head_dim; d++) dot += (double)q[g * head_dim + d] * keys.values[(size_t)s * head_dim + d];
      dot *= a.scale;
      if (cap) dot = a.cap * std::tanh(dot / a.cap);
      if (alibi) dot -= (double)slopes[g] * (slots - 1 - s);
      p[s] = dot;
      most = std::fmax(most, dot);
    }
    for (double& s : p) total += s = std::exp(s - most);
    for (int d = 0; d < head_dim; d++) {
      double exact = 0, magnitude = 0;
      for (int s = 0; s < slots; s++) {
        exact += p[s] / total * values.values[(size_t)s * head_dim + d];
        magnitude += p[s] / total * std::fabs(values.values[(size_t)s * head_dim + d]);
      }
      near("attention", out[(size_t)g * head_dim + d], exact, 1e-5 * magnitude + 1e-7);
    }
    Attention one = a;
    one.slopes = alibi ? &slopes[g] : nullptr;
    Row alone(head_dim), small(slots + 16);
    k.attend(q.data() + (size_t)g * head_dim, keys.data(), values.data(), 1, one, small.data(), alone.data());
    same("a head by itself", alone, Row(out.begin() + (size_t)g * head_dim, out.begin() + (size_t)(g + 1) * head_dim));
  }
  if (half) {
    // Widening is exact: the same numbers in float32 come to the same bits.
    Attention wide = a;
    wide.half = false;
    wide.next = nullptr;
    Row widened(out.size());
    k.attend(q.data(), keys.values.data(), values.values.data(), group, wide, room.data(), widened.data());
    same("the same numbers in float32", widened, out);
  }
  if (slots > 1) {
    // Some slots elsewhere, where the same numbers are; what is not to be read are none.
    Attention parted = a;
    parted.shared = between(1, slots - 1);
    Cached other_keys = keys, other_values = values;
    parted.shared_keys = other_keys.data();
    parted.shared_values = other_values.data();
    if (between(0, 1)) parted.next_shared = other_keys.data();
    for (Cached* c : {&keys, &values}) c->lose(0, parted.shared * head_dim);
    for (Cached* c : {&other_keys, &other_values}) c->lose(parted.shared * head_dim, slots * head_dim);
    Row together(out.size());
    k.attend(q.data(), keys.data(), values.data(), group, parted, room.data(), together.data());
    same("slots in two places", together, out);
  }
}

// ---- the choice of a token

static void choices(const Kernels& k, int n) {
  float temperature = between(0, 2) ? (between(0, 1) ? 1.0f : 0.3f + std::fabs(normal())) : 0.0f;
  shape = "tokens " + std::to_string(n) + ", temperature " + std::to_string(temperature);
  Row z = normals(n, 4);
  for (int i = 1; i < n; i++)
    if (between(0, 2) == 0) z[i] = -INFINITY;
  if (n > 1 && between(0, 3) == 0) z[between(0, n - 1)] = z[0];
  float uniform[] = {0, 1 - 5.9604645e-8f, 0.5f, (float)between(0, 1 << 24) / (1 << 25), 1e-7f}, u = uniform[between(0, 4)];
  std::vector<double> p(n);
  double most = -INFINITY, total = 0;
  for (int i = 0; i < n; i++) most = std::fmax(most, p[i] = temperature > 0 ? z[i] / temperature : z[i]);
  for (double& x : p) total += x = std::exp(x - most);
  Row given = z;
  float logprob = NAN;
  int token = k.choose(z.data(), n, temperature, u, &logprob);
  if (token < 0 || token >= n || !(p[token] > 0)) fail("token", token, n);
  near("log-probability", logprob, std::log(p[token] / total), 1e-5);
  Row same_logits = given;
  same("the chosen token's log-probability asked for", {k.logprob_of(same_logits.data(), n, temperature, token)}, {logprob});
  int other = between(0, n - 1);
  same_logits = given;
  float far = given[other];
  if (other != token && far != -INFINITY && between(0, 3) == 0) far = same_logits[other] = given[token] - 300;
  float asked = k.logprob_of(same_logits.data(), n, temperature, other);
  if (far == -INFINITY) {
    if (asked != -INFINITY) fail("log-probability of what cannot be", asked, -INFINITY);
  } else if (far == given[other]) {
    double exact = (double)(temperature > 0 ? far / temperature : far) - most - std::log(total);
    near("log-probability of another", asked, exact, 1e-5 + 3e-7 * std::fabs(exact));
  } else if (!(asked < -250 / std::fmax(temperature, 1.0f) && std::isfinite(asked))) {
    fail("log-probability of what is hardly possible", asked, -300);
  }
  if (temperature == 0) {
    for (int i = 0; i < n; i++)
      if (given[i] > given[token] || (i < token && given[i] == given[token])) fail("likeliest", token, i);
    return;
  }
  double before = 0;
  for (int i = 0; i < token; i++) before += p[i];
  // within what float32 rounds in the sum of a block
  near("share before the token", std::fmax(before / total, u), u, 1e-6);
  near("share with the token", std::fmin((before + p[token]) / total, u), u, 1e-6);
}

static void bends(const Kernels& k, int n) {
  shape = "numbers " + std::to_string(n);
  float cap = 1 + 30 * std::fabs(normal());
  Row x = normals(n, between(0, 3) == 0 ? 300 : 20), y = x;
  k.bend(y.data(), cap, n);
  for (int i = 0; i < n; i++) near("bent", y[i], cap * std::tanh((double)x[i] / cap), 4e-7 * cap);
}

// ---- lanes that work together

static void teams() {
  int lanes = between(2, 4);
  shape = "lanes " + std::to_string(lanes);
  Team team(lanes);
  std::atomic<bool> ended{false};
  std::vector<std::thread> others;
  for (int lane = 1; lane < lanes; lane++)
    others.emplace_back([&team, &ended, lane] {
      while (!ended) team.assist(lane);
    });
  for (int work = 0; work < 200; work++) {
    int count = between(0, work % 50 == 0 ? 200000 : 70);
    struct Counted {
      std::vector<unsigned char> parts;
      int lanes;
    } counted = {std::vector<unsigned char>(count), lanes};
    team.spread(
        count, between(1, 5),
        [](const void* of, int lane, int64_t from, int64_t to) {
          auto* c = (Counted*)of;
          for (int64_t i = from; i < to; i++) c->parts[i] += lane >= 0 && lane < c->lanes ? 1 : 100;
        },
        &counted);
    for (int i = 0; i < count; i++) near("times that a part was done", counted.parts[i], 1, 0);
    if (work == 100) {
      team.call_away(true);
      team.call_away(false);
    }
  }
  ended = true;
  team.call_away(true);
  for (std::thread& other : others) other.join();
}

// What is no number must not look like one.
static void not_numbers(const Kernels& k) {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    shape = "not a number";
    Row x = normals(40);
    x[between(0, 39)] = bad;
    std::vector<uint8_t> q(64);
    float scale = 0;
    k.quantise(x.data(), 40, 64, q.data(), nullptr, &scale);
    if (!std::isnan(scale)) fail("scale of what is no number", scale, NAN);
    Row keys = normals(20 * 64), values = normals(20 * 64), query = normals(64), room(36), out(64);
    keys[(size_t)between(0, 19) * 64 + 5] = NAN;
    Cached held(keys, between(0, 1) == 1), beside(values, !held.halves.empty());
    k.attend(query.data(), held.data(), beside.data(), 1, {20, 64, 0.125f, 0, nullptr, !held.halves.empty()}, room.data(), out.data());
    for (float f : out)
      if (!std::isnan(f)) fail("attention to what is no number", f, NAN);
    Row z = normals(600);
    z[between(0, 599)] = bad == -INFINITY ? NAN : bad;
    float logprob = 0;
    int token = k.choose(z.data(), 600, (float)between(0, 1), 0.7f, &logprob);
    if (token < 0 || token >= 600) fail("token of what is no number", token, 0);
    if (!std::isnan(logprob)) fail("log-probability of what is no number", logprob, NAN);
  }
}

static void one_case(const Kernels& k) {
  static const int HEADS[] = {64, 128, 256, 16, 32, 48, 80, 96, 6, 7, 30};
  packs(k, between(1, PANEL), between(1, 200));
  products(k, between(1, 20), between(1, 200), between(1, 300), between(0, 1) == 1);
  numbers(k, between(1, 20), between(1, 200), between(1, 300), between(0, 1) == 1);
  in_blocks(k, between(1, 20), between(1, AT_ONCE), between(1, 9), between(0, 1) == 1, between(0, 1) == 1);
  norms(k, between(1, 700));
  rotations(k, between(1, 70));
  activations(k, between(1, 300));
  attention(k, between(1, between(0, 9) == 0 ? 600 : 70), HEADS[between(0, 10)], between(1, 9), between(0, 3) == 0, between(0, 3) == 0,
            between(0, 1) == 1);
  choices(k, between(1, between(0, 9) == 0 ? 5000 : 600));
  bends(k, between(1, 300));
  not_numbers(k);
}

int main(int argc, char** argv) {
  auto once = [](const Kernels& k) {
    for (int i = 0; i < 7; i++) teams();
    extremes(k);
    for (int rows = 1; rows <= 17; rows++) numbers(k, rows, 96, 64, rows % 2 == 0);
    for (int rows = 1; rows <= 17; rows++) products(k, rows, 96, 64, rows % 2 == 0);
    for (int rows = 1; rows <= 17; rows++) in_blocks(k, rows, AT_ONCE, 3, rows % 2 == 0, rows % 3 == 0);
  };
  return check_all(argc, argv, kernels_named, once, one_case);
}
