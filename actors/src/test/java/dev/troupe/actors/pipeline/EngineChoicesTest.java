package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.pipeline.PipelineConfig.BaseStorage;
import dev.troupe.actors.pipeline.PipelineConfig.Cache;
import dev.troupe.actors.pipeline.PipelineConfig.Engine;
import dev.troupe.actors.pipeline.PipelineConfig.FrozenBase;
import dev.troupe.actors.pipeline.PipelineConfig.Kernels;
import dev.troupe.actors.pipeline.PipelineConfig.OnPolicy;
import dev.troupe.actors.pipeline.PipelineConfig.Precision;
import dev.troupe.actors.pipeline.PipelineConfig.RolloutWeights;
import dev.troupe.actors.pipeline.PipelineConfig.Strict;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import dev.troupe.rlhf.limits.OutOfLimits;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is for the CPU alone is refused with a CUDA device, before anything starts. */
class EngineChoicesTest {
  private static Engine engine(String device, RolloutWeights weights, Kernels kernels) {
    return engine(device, weights, kernels, Cache.AUTO);
  }

  private static Engine engine(
      String device, RolloutWeights weights, Kernels kernels, Cache cache) {
    return new Engine(
        device,
        Precision.AUTO,
        weights,
        kernels,
        cache,
        OnPolicy.USUAL,
        Strict.AUTO,
        FrozenBase.USUAL);
  }

  @Test
  void cache_inBf16_isForTheLibraryAlone() {
    String allowed =
        "cache is bf16, allowed: auto or fp32 with a CUDA device or torch's operators, as Troupe's"
            + " library of operators alone reads keys and values in bf16";
    assertThatThrownBy(() -> engine("cpu", RolloutWeights.INT8, Kernels.TORCH, Cache.BF16))
        .isInstanceOf(OutOfLimits.class)
        .hasMessage(allowed);
    assertThatThrownBy(() -> engine("cuda", RolloutWeights.BF16, Kernels.AUTO, Cache.BF16))
        .hasMessage(allowed);
    assertThatThrownBy(
            () -> engine("auto", RolloutWeights.BF16, Kernels.AUTO, Cache.BF16).numerics(true))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("engine.cache is bf16");
    assertThat(engine("cpu", RolloutWeights.INT8, Kernels.AUTO, Cache.FP32).numerics().cache())
        .isEqualTo(Numerics.Cache.FP32);
    assertThat(engine("cpu", RolloutWeights.FP32, Kernels.NATIVE, Cache.BF16).numerics().cache())
        .isEqualTo(Numerics.Cache.BF16);
  }

  private static Engine exact(
      String device, Precision precision, RolloutWeights weights, Kernels kernels) {
    return new Engine(
        device,
        precision,
        weights,
        kernels,
        Cache.AUTO,
        OnPolicy.EXACT,
        Strict.AUTO,
        FrozenBase.USUAL);
  }

  @Test
  void onPolicy_exact_isForOneKindOfNumbersByTheLibrary() {
    String numbers =
        "on-policy is exact, allowed: usual where sampling and training compute in other numbers;"
            + " precision and rollout-weights must both be fp32 or both bf16, as what has fewer"
            + " digits is not what is trained";
    for (RolloutWeights weights :
        List.of(RolloutWeights.INT8, RolloutWeights.FP16, RolloutWeights.BF16)) {
      assertThatThrownBy(() -> exact("cpu", Precision.AUTO, weights, Kernels.AUTO))
          .isInstanceOf(OutOfLimits.class)
          .hasMessage(numbers);
    }
    assertThatThrownBy(() -> exact("cpu", Precision.BF16, RolloutWeights.AUTO, Kernels.AUTO))
        .hasMessage(numbers);
    String operators =
        "on-policy is exact, allowed: usual with a CUDA device or torch's operators, as Troupe's"
            + " library of operators alone comes to the same bits for any number of tokens";
    assertThatThrownBy(() -> exact("cpu", Precision.FP32, RolloutWeights.FP32, Kernels.TORCH))
        .hasMessage(operators);
    assertThatThrownBy(() -> exact("cuda", Precision.BF16, RolloutWeights.BF16, Kernels.AUTO))
        .hasMessage(operators);
    assertThatThrownBy(
            () -> exact("auto", Precision.BF16, RolloutWeights.BF16, Kernels.AUTO).numerics(true))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("engine.on-policy is exact");
    assertThatThrownBy(
            () ->
                new Engine(
                    "cpu",
                    Precision.FP32,
                    RolloutWeights.FP32,
                    Kernels.AUTO,
                    Cache.AUTO,
                    OnPolicy.EXACT,
                    Strict.ALWAYS,
                    FrozenBase.USUAL))
        .hasMessage(
            "strict is always, allowed: auto or never where on-policy is exact, whose log-probabilities"
                + " are those of training already");
    for (Engine engine :
        List.of(
            exact("cpu", Precision.AUTO, RolloutWeights.AUTO, Kernels.AUTO),
            exact("cpu", Precision.BF16, RolloutWeights.BF16, Kernels.NATIVE))) {
      assertThat(engine.numerics().exact()).isTrue();
      assertThat(engine.numerics().scoresSamples()).isTrue();
    }
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
  void rolloutWeights_ofFourBits_areThoseOfTheBase() {
    String allowed =
        "rollout-weights is nf4, allowed: auto, fp32, bf16, fp16 or int8 unless base.storage is the"
            + " same, as weights of four bits are those of the base, LoRA beside them";
    assertThatThrownBy(() -> engine("cpu", RolloutWeights.NF4, Kernels.AUTO))
        .isInstanceOf(OutOfLimits.class)
        .hasMessage(allowed);
    assertThatThrownBy(() -> held(BaseStorage.FP4, "cpu", Kernels.AUTO)).hasMessage(allowed);
    assertThatThrownBy(() -> held(BaseStorage.NF4, "cpu", Kernels.TORCH))
        .hasMessage(
            "rollout-weights is nf4, allowed: auto, bf16, fp16 or fp32 with a CUDA device or torch's"
                + " operators, as Troupe's library of operators alone multiplies weights of four bits");
    assertThatThrownBy(() -> held(BaseStorage.NF4, "auto", Kernels.AUTO).numerics(true))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining(
            "engine.rollout-weights (--weights) is nf4, whose products are for the CPU");
    assertThat(held(BaseStorage.NF4, "cpu", Kernels.AUTO).numerics().rollouts())
        .isEqualTo(Storage.NF4);
  }

  private static Engine held(BaseStorage storage, String device, Kernels kernels) {
    return new Engine(
        device,
        Precision.AUTO,
        RolloutWeights.NF4,
        kernels,
        Cache.AUTO,
        OnPolicy.USUAL,
        Strict.AUTO,
        FrozenBase.USUAL.holding(storage));
  }

  @Test
  void numerics_onTheCpu_areThoseOfTheKeys() {
    assertThat(engine("cpu", RolloutWeights.INT8, Kernels.NATIVE).numerics())
        .isEqualTo(
            new Numerics(Storage.FP32, Storage.INT8, Numerics.Kernels.NATIVE)
                .strict(Numerics.Strict.AUTO));
    assertThat(engine("auto", RolloutWeights.AUTO, Kernels.TORCH).numerics(true))
        .isEqualTo(
            new Numerics(Storage.BF16, Storage.BF16, Numerics.Kernels.TORCH)
                .strict(Numerics.Strict.AUTO));
  }

  @Test
  void base_isHeldInBlocksOfAPowerOfTwo() {
    assertThatThrownBy(() -> new FrozenBase(BaseStorage.NF4, 48, true))
        .isInstanceOf(OutOfLimits.class)
        .hasMessage("block-size is 48, allowed: a power of two from 32 to 4096");
    assertThat(new FrozenBase(BaseStorage.NF4, 64, true).quantisation())
        .contains(new Quantisation(Storage.NF4, 64, true));
    assertThat(FrozenBase.USUAL.quantisation()).isEmpty();
  }
}
