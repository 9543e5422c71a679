package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.data.Trained;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftObjective;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class ConfigLimitsTest {
  private static final OptimizerConfig OPTIMIZER =
      new OptimizerConfig(
          1e-3, LearningRateSchedule.Shape.COSINE, 0, 0.9, 0.95, 1e-8, 0, 1, 0, false);

  @Test
  void sft_allProblems_areReportedAtOnce_withKeyValueAndRange() {
    assertThatThrownBy(
            () ->
                new SftConfig(
                    0,
                    -2,
                    Trained.ALL,
                    Averaging.GLOBAL_TOKEN,
                    SftObjective.Weighting.NONE,
                    false,
                    new TuningConfig.Full(),
                    OPTIMIZER,
                    0,
                    1,
                    BestConfig.NONE))
        .hasMessage("epochs is 0, allowed: at least 1; batch-size is -2, allowed: at least 1");
  }

  @Test
  void sft_packingWithALossByMicroBatch_isRefused() {
    for (Averaging averaging : Averaging.values()) {
      ThrowingCallable packed =
          () ->
              new SftConfig(
                  1,
                  8,
                  Trained.ALL,
                  averaging,
                  SftObjective.Weighting.NONE,
                  true,
                  new TuningConfig.Full(),
                  OPTIMIZER,
                  0,
                  1,
                  BestConfig.NONE);
      if (averaging == Averaging.MICRO_BATCH) {
        assertThatThrownBy(packed)
            .hasMessage(
                "averaging is micro-batch, allowed: global-token or sequence with packing, which"
                    + " chooses what is in a micro-batch");
      } else {
        assertThatCode(packed).doesNotThrowAnyException();
      }
    }
  }

  @Test
  void lora_targetsThatDoNotGoTogether_areRefused() {
    assertThatThrownBy(() -> new TuningConfig.Lora(8, 16, List.of("q_proj", "all-linear")))
        .hasMessage(
            "targets is [q_proj, all-linear], allowed: names of linear layers, or all-linear or a"
                + " regex: alone");
    assertThatThrownBy(
            () ->
                new TuningConfig.Lora(
                    8,
                    16,
                    List.of("all-linear"),
                    false,
                    0.1,
                    true,
                    List.of(0),
                    Map.of("q_proj", 0),
                    Map.of(),
                    Tuning.Lora.Start.KAIMING,
                    Tuning.Lora.Bias.NONE))
        .hasMessage(
            "layers is [0], allowed: numbers of decoder layers from 0, and only where targets"
                + " are names; rank-pattern is {q_proj=0}, allowed: ranks of at least 1");
  }

  @Test
  void generation_topPOutOfRange_isAnError() {
    assertThatThrownBy(() -> new GenerationConfig(8, 1, 0, 0, List.of()))
        .hasMessage("top-p is 0.0, allowed: above 0, at most 1");
  }

  @Test
  void optimizer_nanLearningRate_isAnError() {
    assertThatThrownBy(
            () ->
                new OptimizerConfig(
                    Double.NaN,
                    LearningRateSchedule.Shape.COSINE,
                    0,
                    0.9,
                    0.95,
                    1e-8,
                    0,
                    1,
                    0,
                    false))
        .hasMessage("learning-rate is NaN, allowed: above 0");
  }

  @Test
  void modelInit_oddHeadWidth_isAnError() {
    assertThatThrownBy(() -> new ModelInitConfig(30, 2, 4, 3, 64, 512, 128, 0.02))
        .hasMessage(
            "hidden-size is 30, allowed: a multiple of twice heads (8); kv-heads is 3, allowed: a"
                + " divisor of heads (4)");
  }
}
