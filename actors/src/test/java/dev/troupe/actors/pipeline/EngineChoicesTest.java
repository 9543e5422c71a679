package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.pipeline.PipelineConfig.Engine;
import dev.troupe.actors.pipeline.PipelineConfig.Kernels;
import dev.troupe.actors.pipeline.PipelineConfig.Precision;
import dev.troupe.actors.pipeline.PipelineConfig.RolloutWeights;
import dev.troupe.actors.pipeline.PipelineConfig.Strict;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.rlhf.limits.OutOfLimits;
import org.junit.jupiter.api.Test;

/** What is for the CPU alone is refused with a CUDA device, before anything starts. */
class EngineChoicesTest {
  private static Engine engine(String device, RolloutWeights weights, Kernels kernels) {
    return new Engine(device, Precision.AUTO, weights, kernels, Strict.AUTO);
  }

  @Test
  void engine_onANamedCudaDevice_refusesWhatIsForTheCpu() {
    assertThatThrownBy(() -> engine("cuda:1", RolloutWeights.INT8, Kernels.NATIVE))
        .isInstanceOf(OutOfLimits.class)
        .hasMessage(
            "kernels is native, allowed: auto or torch with a CUDA device, as Troupe's library of"
                + " operators is for the CPU; rollout-weights is int8, allowed: auto, bf16, fp16 or"
                + " fp32 with a CUDA device, as int8 products are for the CPU");
  }

  @Test
  void numerics_whereAutoComesToCuda_refusesWhatIsForTheCpu() {
    assertThatThrownBy(() -> engine("auto", RolloutWeights.AUTO, Kernels.NATIVE).numerics(true))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("engine.device is auto, which is a CUDA device here")
        .hasMessageContaining("engine.kernels (--kernels) is native");
    assertThatThrownBy(() -> engine("auto", RolloutWeights.INT8, Kernels.AUTO).numerics(true))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("engine.rollout-weights (--weights) is int8");
  }

  @Test
  void numerics_onTheCpu_areThoseOfTheKeys() {
    assertThat(engine("cpu", RolloutWeights.INT8, Kernels.NATIVE).numerics())
        .isEqualTo(
            new Numerics(
                Numerics.Precision.FP32,
                Numerics.RolloutWeights.INT8,
                Numerics.Kernels.NATIVE,
                Numerics.Strict.AUTO));
    assertThat(engine("auto", RolloutWeights.AUTO, Kernels.TORCH).numerics(true))
        .isEqualTo(
            new Numerics(
                Numerics.Precision.BF16,
                Numerics.RolloutWeights.BF16,
                Numerics.Kernels.TORCH,
                Numerics.Strict.AUTO));
  }
}
