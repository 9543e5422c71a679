// What the checks share: numbers drawn at random, comparisons that end the program, and rounds of cases for so many seconds.
#pragma once
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <vector>

typedef std::vector<float> Row;

static std::mt19937_64 random_numbers;
static std::string shape;  // of the case under way, for messages
static const char* set_name;
static long cases;

[[maybe_unused]] static int between(int low, int high) { return low + (int)(random_numbers() % (uint64_t)(high - low + 1)); }
static float normal() {
  static std::normal_distribution<float> distribution;
  return distribution(random_numbers);
}
[[maybe_unused]] static Row normals(size_t n, float scale = 1) {
  Row out(n);
  for (float& x : out) x = scale * normal();
  return out;
}
static void fail(const char* what, double found, double expected) {
  std::printf("FAILED %s, %s, %s: found %.9g, expected %.9g\n", set_name, what, shape.c_str(), found, expected);
  std::exit(1);
}
[[maybe_unused]] static void near(const char* what, double found, double expected, double tolerance) {
  if (!(std::fabs(found - expected) <= tolerance)) fail(what, found, expected);
}
[[maybe_unused]] static void same(const char* what, const Row& found, const Row& expected) {
  for (size_t i = 0; i < found.size(); i++)
    if (std::memcmp(&found[i], &expected[i], sizeof(float)) != 0) fail(what, found[i], expected[i]);
}

// Every instruction set in turn: `find` gives its functions or null, `once` are checks to be made first, `round` a round of cases.
template <typename Find, typename Once, typename Round>
static int check_all(int argc, char** argv, Find find, Once once, Round round) {
  double seconds = argc > 1 ? std::atof(argv[1]) : 5;
  unsigned long seed = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : std::random_device()();
  std::printf("seed %lu\n", seed);
  random_numbers.seed(seed);
  static const char* const NAMES[] = {"avx512-bf16", "avx512-vnni", "avx2", "neon-i8mm", "neon-dotprod", "plain"};
  for (const char* name : NAMES) {
    auto* k = find(name);
    if (!k) {
      std::printf("%s: not on this processor\n", name);
      continue;
    }
    set_name = name;
    cases = 0;
    once(*k);
    auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds / std::size(NAMES));
    while (std::chrono::steady_clock::now() < end) {
      round(*k);
      cases++;
    }
    std::printf("%s: %ld rounds of cases, no finding\n", name, cases);
  }
  return 0;
}
