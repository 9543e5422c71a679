package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DpoConfigTest {
  private static final Set<DpoLoss.Variant> SMOOTH =
      EnumSet.of(DpoLoss.Variant.SIGMOID, DpoLoss.Variant.SIGMOID_MEAN, DpoLoss.Variant.ROBUST);

  /** A configuration takes what the objective takes, and no more. */
  @ParameterizedTest
  @EnumSource
  void labelSmoothing_goesWithTheVariantsThatReadIt(DpoLoss.Variant variant) {
    if (SMOOTH.contains(variant)) {
      assertThat(config(variant, .1, 0).labelSmoothing()).isEqualTo(.1);
      assertThat(new DpoObjective(variant, .1, .1).labelSmoothing()).isEqualTo(.1);
    } else {
      assertThatThrownBy(() -> config(variant, .1, 0))
          .hasMessageContaining("label-smoothing is 0.1, allowed: 0 with the variant " + variant);
      assertThatThrownBy(() -> new DpoObjective(variant, .1, .1))
          .hasMessageContaining("does not read it");
    }
  }

  @ParameterizedTest
  @EnumSource
  void targetMargin_goesWithTheVariantsThatReadIt(DpoLoss.Variant variant) {
    if (variant == DpoLoss.Variant.IPO || variant == DpoLoss.Variant.IPO_SUM) {
      assertThatThrownBy(() -> config(variant, 0, .5))
          .hasMessageContaining("target-margin is 0.5, allowed: 0 with the variant " + variant);
    } else {
      assertThat(config(variant, 0, .5).targetMargin()).isEqualTo(.5);
    }
    assertThatThrownBy(() -> config(variant, 0, -1))
        .hasMessageContaining("target-margin is -1, allowed: at least 0");
  }

  private static DpoConfig config(DpoLoss.Variant variant, double smoothing, double margin) {
    return new DpoConfig(
        3,
        8,
        variant,
        DpoConfig.Reference.START,
        .1,
        smoothing,
        margin,
        0,
        new TuningConfig.Full(),
        TabularRecipes.optimizer(5),
        8,
        0,
        new BestConfig(Optional.empty(), 0, 0),
        new EvaluationConfig(48, 3, new GenerationConfig(6, 1, 0, 1, List.of())));
  }
}
