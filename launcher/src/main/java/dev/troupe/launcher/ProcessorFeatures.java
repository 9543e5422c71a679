package dev.troupe.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What the CPU multiplies besides float32, by Linux's /proc/cpuinfo.
 *
 * @param flags as the kernel names them; empty where they cannot be read
 */
record ProcessorFeatures(List<String> flags) {
  static ProcessorFeatures ofThisMachine() {
    try {
      return parse(Files.readString(Path.of("/proc/cpuinfo")));
    } catch (IOException e) {
      // Another system: nothing is known, and nothing is claimed.
      return new ProcessorFeatures(List.of());
    }
  }

  static ProcessorFeatures parse(String cpuinfo) {
    return new ProcessorFeatures(
        cpuinfo
            .lines()
            .filter(line -> line.startsWith("flags"))
            .findFirst()
            .map(line -> Arrays.asList(line.substring(line.indexOf(':') + 1).strip().split(" +")))
            .orElse(List.of()));
  }

  /** The unit that multiplies bfloat16, if there is one. */
  Optional<String> bf16() {
    return flags.contains("amx_bf16")
        ? Optional.of("AMX")
        : flags.contains("avx512_bf16") ? Optional.of("AVX512-BF16") : Optional.empty();
  }

  /** Said of a run with bfloat16 matrices where the CPU has nothing for them. */
  Optional<String> warning() {
    return flags.isEmpty() || bf16().isPresent()
        ? Optional.empty()
        : Optional.of(
            "warning: engine.precision is bf16, which this CPU cannot multiply (no amx_bf16, no"
                + " avx512_bf16): the run will be several times slower than with fp32");
  }
}
