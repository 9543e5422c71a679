package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProcessorFeaturesTest {
  @Test
  void bf16_byUnit() {
    assertThat(features("fpu avx2 avx512_bf16 amx_bf16").bf16()).contains("AMX");
    assertThat(features("fpu avx2 avx512_bf16").bf16()).contains("AVX512-BF16");
    assertThat(features("fpu avx2").bf16()).isEmpty();
  }

  @Test
  void warning_whereItIsKnownToBeSlow() {
    assertThat(features("fpu avx2").warning().orElseThrow())
        .isEqualTo(
            "warning: engine.precision is bf16, which this CPU cannot multiply (no amx_bf16, no"
                + " avx512_bf16): the run will be several times slower than with fp32");
    assertThat(features("fpu amx_bf16").warning()).isEmpty();
    assertThat(ProcessorFeatures.parse("nothing known\n").warning()).isEmpty();
  }

  private static ProcessorFeatures features(String flags) {
    return ProcessorFeatures.parse("processor\t: 0\nflags\t\t: " + flags + "\nbugs\t: none\n");
  }
}
