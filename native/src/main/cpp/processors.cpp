// Which kernels a processor gets.
#include <cstring>

#include "kernels.h"
#include "passes.h"
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace troupe {
#if defined(__x86_64__)
namespace avx512 { extern const Kernels kernels; extern const Kernels by_pairs; extern const Passes passes; }
namespace avx2 { extern const Kernels kernels; extern const Passes passes; }
#elif defined(__aarch64__)
namespace i8mm { extern const Kernels kernels; extern const Passes passes; }
namespace dotprod { extern const Kernels kernels; extern const Passes passes; }
#endif
namespace plain { extern const Kernels kernels; extern const Passes passes; }

static bool runs(const Kernels& k) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (&k == &avx512::kernels)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  // Intel's processors without AMX multiply pairs of bfloat16 at half the rate of float32, AMD's at twice (docs/adr/0022); with AMX nobody has measured it.
  if (&k == &avx512::by_pairs) return runs(avx512::kernels) && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd");
  if (&k == &avx2::kernels) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#elif defined(__aarch64__)
  bool dots = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  if (&k == &dotprod::kernels) return dots;
  if (&k == &i8mm::kernels) return dots && getauxval(AT_HWCAP2) & HWCAP2_I8MM;
#endif
  return &k == &plain::kernels;
}

// The fastest first.
static const Kernels* const ALL[] = {
#if defined(__x86_64__)
    &avx512::by_pairs, &avx512::kernels, &avx2::kernels,
#elif defined(__aarch64__)
    &i8mm::kernels, &dotprod::kernels,
#endif
    &plain::kernels};

const Kernels* kernels_named(const char* name) {
  for (const Kernels* k : ALL)
    if (std::strcmp(k->name, name) == 0) return runs(*k) ? k : nullptr;
  return nullptr;
}

const Kernels* kernels_of_processor() {
  for (const Kernels* k : ALL)
    if (runs(*k)) return k;
  return nullptr;
}

const Passes* passes_named(const char* name) {
  const Kernels* beside = kernels_named(name);
#if defined(__x86_64__)
  if (beside == &avx512::by_pairs || beside == &avx512::kernels) return &avx512::passes;
  if (beside == &avx2::kernels) return &avx2::passes;
#elif defined(__aarch64__)
  if (beside == &i8mm::kernels) return &i8mm::passes;
  if (beside == &dotprod::kernels) return &dotprod::passes;
#endif
  return beside ? &plain::passes : nullptr;
}

}  // namespace troupe
