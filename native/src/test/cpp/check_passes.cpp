// Every pass of training and scoring, of every instruction set that this processor has, on shapes and values drawn at random, in float32 and bfloat16, against the same
// in double. Buffers are as long as they must be and no longer, so that a sanitizer sees a step beyond.
//   check [seconds [seed]]
#include "../../main/cpp/passes.h"
#include "check.h"

using namespace troupe;

// Half a step of bfloat16, of a number just above a power of two.
static const double ROUNDED = 0x1p-8;

static uint16_t brief(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  if (x != x) return 0x7fc0;
  return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
static float wide(uint16_t x) {
  uint32_t u = (uint32_t)x << 16;
  float out;
  std::memcpy(&out, &u, 4);
  return out;
}

// Numbers in the type of a case; values[i] are what they are exactly.
struct Values {
  bool narrow;
  Row values;
  std::vector<uint16_t> briefs;

  Values(const Row& x, bool narrow) : narrow(narrow), values(x) {
    if (narrow)
      for (float& v : values) {
        briefs.push_back(brief(v));
        v = wide(briefs.back());
      }
  }
  From from() const { return {narrow ? (const void*)briefs.data() : values.data(), narrow}; }
  To to() { return {narrow ? (void*)briefs.data() : values.data(), narrow}; }
  double at(int i) const { return narrow ? wide(briefs[i]) : values[i]; }
  // of a result: half a step of bfloat16 where it is rounded
  double tolerance(double exact, double own) const { return own + (narrow ? ROUNDED * std::fabs(exact) + own * ROUNDED : 0); }
};

static Values numbers(int n, bool narrow, float scale = 1) { return Values(normals(n, scale), narrow); }
static bool coin() { return between(0, 1) == 1; }

static void norms(const Passes& k, int n) {
  bool x_narrow = coin(), y_narrow = coin(), plus = coin();
  shape = "width " + std::to_string(n) + (x_narrow ? ", x bfloat16" : "") + (y_narrow ? ", y bfloat16" : "") + (plus ? ", plus one" : "");
  Values x = numbers(n, x_narrow, between(0, 5) == 0 ? 1e-3f : 2.0f), y = numbers(n, y_narrow), of_y = numbers(n, y_narrow), of_x = numbers(n, x_narrow);
  Row gain = normals(n), of_gain = normals(n), before = of_gain;
  float eps = 1e-5f;
  float r = k.norm(x.from(), gain.data(), plus, eps, n, y.to());
  double squares = 0, along = 0, size = 0;
  for (int i = 0; i < n; i++) squares += (double)x.values[i] * x.values[i];
  double root = 1 / std::sqrt(squares / n + eps);
  near("root", r, root, 1e-6 * root);
  for (int i = 0; i < n; i++) {
    double exact = x.values[i] * root * ((double)gain[i] + plus);
    near("norm", y.at(i), exact, y.tolerance(exact, 1e-6 * (std::fabs(exact) + std::fabs(x.values[i]) * root)));
    double part = of_y.values[i] * ((double)gain[i] + plus) * x.values[i];
    along += part;
    size += std::fabs(part);
  }
  k.norm_back(x.from(), r, gain.data(), plus, of_y.from(), n, of_x.to(), of_gain.data());
  for (int i = 0; i < n; i++) {
    double own = of_y.values[i] * ((double)gain[i] + plus), taken = x.values[i] * along * root * root / n;
    double exact = root * (own - taken);
    double tolerance = 2e-6 * root * (std::fabs(own) + std::fabs(of_y.values[i]) + std::fabs(taken) + std::fabs(x.values[i]) * size * root * root / n);
    near("gradient of a norm", of_x.at(i), exact, of_x.tolerance(exact, tolerance));
    double of_g = of_y.values[i] * x.values[i] * root;
    near("gradient of a gain", of_gain[i], before[i] + of_g, 1e-6 * (std::fabs(before[i]) + std::fabs(of_g)));
  }
  Values again = numbers(n, x_narrow);
  k.norm_back(x.from(), r, gain.data(), plus, of_y.from(), n, again.to(), nullptr);
  for (int i = 0; i < n; i++) near("gradient without a gain's", again.at(i), of_x.at(i), 0);
}

static double exactly(double x, int activation, double* slope) {
  if (activation == RELU) {
    *slope = x > 0;
    return x < 0 ? 0 : x;
  }
  double c = 2 * 0.7978845608028654, u = activation == SILU ? x : c * (x + 0.044715 * x * x * x), by = activation == SILU ? 1 : c * (1 + 3 * 0.044715 * x * x);
  double s = 1 / (1 + std::exp(-u));
  *slope = s + x * s * (1 - s) * by;
  return x * s;
}

static void gates(const Passes& k, int n) {
  bool narrow = coin();
  shape = "numbers " + std::to_string(n) + (narrow ? ", bfloat16" : "");
  for (int activation : {SILU, GELU_TANH, RELU}) {
    Values g = numbers(n, narrow, between(0, 5) == 0 ? 30 : 2), u = numbers(n, narrow), d = numbers(n, narrow);
    Values y = numbers(n, narrow), alone = numbers(n, narrow), of_g = numbers(n, narrow), of_u = numbers(n, narrow), of_alone = numbers(n, narrow);
    k.gate(g.from(), u.from(), activation, n, y.to());
    k.gate(g.from(), {nullptr, narrow}, activation, n, alone.to());
    k.gate_back(g.from(), u.from(), d.from(), activation, n, of_g.to(), of_u.to());
    k.gate_back(g.from(), {nullptr, narrow}, d.from(), activation, n, of_alone.to(), {nullptr, narrow});
    for (int i = 0; i < n; i++) {
      double slope, x = g.values[i], a = exactly(x, activation, &slope), up = u.values[i], by = d.values[i];
      double near_a = 2e-6 * std::fabs(a) + 1e-9 * (1 + std::fabs(x)), near_slope = 4e-6 * (1 + std::fabs(x));
      near("activation", alone.at(i), a, alone.tolerance(a, near_a));
      near("activation times up", y.at(i), a * up, y.tolerance(a * up, near_a * std::fabs(up) + 1e-12));
      near("gradient of an activation", of_alone.at(i), slope * by, of_alone.tolerance(slope * by, near_slope * std::fabs(by)));
      near("gradient of a gate", of_g.at(i), slope * by * up, of_g.tolerance(slope * by * up, near_slope * std::fabs(by * up)));
      near("gradient of a factor", of_u.at(i), a * by, of_u.tolerance(a * by, near_a * std::fabs(by) + 1e-12));
    }
  }
}

static void heads(const Passes& k, int pairs) {
  int n = 2 * pairs;
  bool narrow = coin(), normed = coin(), turns = coin();
  shape = "head of " + std::to_string(n) + (narrow ? ", bfloat16" : "") + (normed ? ", normed" : "") + (turns ? ", turned" : "");
  Values x = numbers(n, narrow), of_x = numbers(n, narrow);
  Row gain = normals(n), turn(n), y(n), of_y = normals(n), room(n), of_gain(n, 0.0f);
  for (int i = 0; i < pairs; i++) {
    float angle = 3 * normal();
    turn[2 * i] = std::cos(angle);
    turn[2 * i + 1] = std::sin(angle);
  }
  Head how = {normed ? gain.data() : nullptr, 1.0f, 1e-5f, turns ? turn.data() : nullptr, 0.25f};
  k.head(x.from(), how, n, y.data());
  double squares = 0, along = 0;
  for (int i = 0; i < n; i++) squares += (double)x.values[i] * x.values[i];
  double root = normed ? 1 / std::sqrt(squares / n + 1e-5f) : 1;
  std::vector<double> v(n), back(n);
  auto factor = [&](int i) { return normed ? root * (gain[i] + 1.0) : 1.0; };
  for (int i = 0; i < n; i++) v[i] = x.values[i] * factor(i);
  for (int i = 0; i < n; i += 2) {
    double c = turns ? turn[i] : 1, s = turns ? turn[i + 1] : 0, size = 1e-6 * (std::fabs(v[i]) + std::fabs(v[i + 1]) + 1e-3);
    near("head", y[i], 0.25 * (v[i] * c - v[i + 1] * s), size);
    near("head", y[i + 1], 0.25 * (v[i] * s + v[i + 1] * c), size);
    back[i] = 0.25 * (of_y[i] * c + of_y[i + 1] * s);
    back[i + 1] = 0.25 * (of_y[i + 1] * c - of_y[i] * s);
  }
  k.head_back(x.from(), how, of_y.data(), n, room.data(), of_x.to(), normed ? of_gain.data() : nullptr);
  for (int i = 0; i < n; i++) along += normed ? back[i] * (gain[i] + 1.0) * x.values[i] : 0;
  for (int i = 0; i < n; i++) {
    double exact = back[i] * factor(i) - (normed ? x.values[i] * along * root * root * root / n : 0);
    near("gradient of a head", of_x.at(i), exact, of_x.tolerance(exact, 2e-5 * (1 + root)));
    if (normed) near("gradient of a head's gain", of_gain[i], back[i] * x.values[i] * root, 1e-5 * (1 + std::fabs(x.values[i]) * root));
  }
}

static void copies(const Passes& k, int n) {
  shape = "numbers " + std::to_string(n);
  Values x = numbers(n, false), narrow = numbers(n, true), back = numbers(n, false);
  for (float& v : x.values) {
    // some just between two
    uint32_t u;
    std::memcpy(&u, &v, 4);
    if (coin()) u = (u & 0xffff0000u) | 0x8000u;
    std::memcpy(&v, &u, 4);
  }
  if (coin()) x.values[between(0, n - 1)] = coin() ? NAN : INFINITY;
  k.copy(x.from(), n, narrow.to());
  k.copy(narrow.from(), n, back.to());
  for (int i = 0; i < n; i++) {
    near("bfloat16", narrow.briefs[i], brief(x.values[i]), 0);
    if (std::isnan(x.values[i]) ? !std::isnan(back.values[i]) : back.values[i] != wide(narrow.briefs[i])) fail("widened", back.values[i], x.values[i]);
  }
}

static void blocks(const Passes& k, int n) {
  bool four = coin(), narrow = coin();
  int block = 2 * between(1, 40), first = 2 * between(0, 2 * block), end = first + n;
  if (four) end += end % 2;
  shape = std::string(four ? "codes, " : "bytes, ") + std::to_string(n) + " from " + std::to_string(first) + " in blocks of " + std::to_string(block) + (narrow ? ", bfloat16" : "");
  std::vector<uint8_t> held(four ? end / 2 : end);
  for (uint8_t& b : held) b = (uint8_t)between(0, 255);
  Row table = normals(16), scales = normals((end + block - 1) / block);
  Values y = numbers(n, narrow);
  k.held(held.data(), four ? table.data() : nullptr, scales.data(), block, first, n, y.to());
  for (int i = 0; i < n; i++) {
    int at = first + i;
    float number = four ? table[at % 2 ? held[at / 2] & 15 : held[at / 2] >> 4] : (float)(int8_t)held[at];
    float exact = number * scales[at / block];
    near("number of a block", y.at(i), narrow ? wide(brief(exact)) : exact, 0);
  }
}

static void softmaxes(const Passes& k, int n) {
  int from = between(0, n - 1), to = between(from + 1, n);
  shape = std::to_string(from) + " to " + std::to_string(to) + " of " + std::to_string(n);
  Row s = normals(n, between(0, 4) == 0 ? 40 : 2), p = s, of_p = normals(n), of_s = of_p;
  k.softmax(p.data(), from, to, n);
  double most = -INFINITY, total = 0, along = 0;
  for (int i = from; i < to; i++) most = std::fmax(most, s[i]);
  for (int i = from; i < to; i++) total += std::exp(s[i] - most);
  for (int i = 0; i < n; i++) {
    double exact = i < from || i >= to ? 0 : std::exp(s[i] - most) / total;
    near("probability", p[i], exact, (2e-6 + 1.2e-7 * std::fabs(s[i] - most)) * exact + 1e-30);
    along += exact * of_p[i];
  }
  k.softmax_back(p.data(), of_s.data(), from, to, n);
  for (int i = 0; i < n; i++) near("gradient of a score", of_s[i], p[i] * (of_p[i] - along), i < from || i >= to ? 0 : 1e-5 * p[i]);
}

// What is no number must not look like one.
static void not_numbers(const Passes& k) {
  shape = "not a number";
  Row s = normals(40);
  s[between(3, 36)] = NAN;
  k.softmax(s.data(), 2, 37, 40);
  for (int i = 2; i < 37; i++)
    if (!std::isnan(s[i])) fail("probability among what is no number", s[i], NAN);
  Values x = numbers(40, coin()), y = numbers(40, coin());
  if (x.narrow) x.briefs[between(0, 39)] = 0x7fc0;
  else x.values[between(0, 39)] = NAN;
  Row gain = normals(40);
  k.norm(x.from(), gain.data(), 0, 1e-5f, 40, y.to());
  for (int i = 0; i < 40; i++)
    if (!std::isnan(y.at(i))) fail("norm of what is no number", y.at(i), NAN);
}

static void one_case(const Passes& k) {
  norms(k, between(1, 700));
  gates(k, between(1, 300));
  heads(k, between(1, 70));
  copies(k, between(1, 100));
  blocks(k, between(1, 300));
  softmaxes(k, between(1, 300));
  not_numbers(k);
}

int main(int argc, char** argv) { return check_all(argc, argv, passes_named, [](const Passes&) {}, one_case); }
