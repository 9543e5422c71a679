package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Storage;
import org.junit.jupiter.api.Test;

class ProbeTest {
  /**
   * Gemma 3 270M differs by 1.03e-4 nats at a log-probability of about -30: rounding, no defect.
   */
  @Test
  void allowed_growsWithTheLogprob() {
    assertThat(Probe.allowed(-0.5, 1e-4)).isEqualTo(1e-4);
    assertThat(Probe.allowed(-4, 1e-4)).isEqualTo(1e-4);
    assertThat(Probe.allowed(-30, 1e-4)).isCloseTo(7.5e-4, within(1e-12));
    assertThat(Probe.allowed(Double.NaN, 1e-4)).isNaN();
  }

  /**
   * Gemma 3 270M with int8 weights began a run within its tolerance, and was 1.04 times that off
   * after a few updates.
   */
  @Test
  void limit_isWiderForInt8_onceWithinIt() {
    assertThat(Probe.limit(false, Storage.INT8)).isEqualTo(1);
    assertThat(Probe.limit(true, Storage.INT8)).isEqualTo(2);
    assertThat(Probe.limit(true, Storage.NF4)).isEqualTo(2);
    assertThat(Probe.limit(true, Storage.BF16)).isEqualTo(1);
    assertThat(Probe.limit(true, Storage.FP32)).isEqualTo(1);
  }

  @Test
  void advice_namesFinerNumbersWhereTheFormatIsCoarse() {
    assertThat(Probe.advice(Packing.of(Storage.INT8).tolerance(), false))
        .isEqualTo(
            "If every number is NaN, the trained parameters are; otherwise this model wants finer"
                + " numbers: let engine.rollout-weights (--weights) be bf16, fp16 or fp32.");
    assertThat(Probe.advice(0.05, true))
        .endsWith("be bf16, fp16 or fp32. Or let engine.cache be fp32.");
    assertThat(Probe.advice(Packing.of(Storage.FP32).tolerance(), false))
        .isEqualTo(
            "If every number is NaN, the trained parameters are; otherwise this is a defect of the"
                + " generation weights.");
  }
}
