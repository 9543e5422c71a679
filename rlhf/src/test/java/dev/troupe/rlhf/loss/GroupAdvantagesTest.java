package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.rlhf.loss.GroupAdvantages.Baseline;
import dev.troupe.rlhf.loss.GroupAdvantages.Scale;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GroupAdvantagesTest {
  private static final OptionalDouble MISSING = OptionalDouble.empty();

  private static List<OptionalDouble> group(double... scores) {
    return DoubleStream.of(scores).mapToObj(OptionalDouble::of).toList();
  }

  private static double[] of(Baseline baseline, Scale scale, double epsilon, double... scores) {
    return values(new GroupAdvantages(baseline, scale, epsilon).of(List.of(group(scores))).get(0));
  }

  private static double[] values(List<OptionalDouble> advantages) {
    return advantages.stream().mapToDouble(OptionalDouble::getAsDouble).toArray();
  }

  @Test
  void everyKind_matchesGoldenNumbers() {
    assertThat(of(Baseline.MEAN, Scale.GROUP, 1e-4, 1, 0, 0, 2))
        .containsExactly(new double[] {.261089, -.783268, -.783268, 1.305446}, within(1e-6));
    assertThat(of(Baseline.MEAN, Scale.GROUP, 1e-6, 1, 0, 0, 2))
        .containsExactly(new double[] {.261116, -.783349, -.783349, 1.305581}, within(1e-6));
    assertThat(of(Baseline.MEAN, Scale.NONE, 0, 1, 0, 0, 2))
        .containsExactly(new double[] {.25, -.75, -.75, 1.25}, within(1e-12));
    assertThat(of(Baseline.LEAVE_ONE_OUT, Scale.NONE, 0, 1, 0, 0, 2))
        .containsExactly(new double[] {1 / 3.0, -1, -1, 5 / 3.0}, within(1e-12));
    // (r − .25)/.25
    assertThat(of(Baseline.MEAN, Scale.GROUP_MEAN, 0, 1, 0, 0, 0))
        .containsExactly(new double[] {3, -1, -1, -1}, within(1e-12));
  }

  @Test
  void batchScale_dividesByTheDeviationOfAllScores() {
    // All scores 0, 2, 1, 1: mean 1, squares 2, deviation sqrt(2/3) = .816497.
    List<List<OptionalDouble>> advantages =
        new GroupAdvantages(Baseline.MEAN, Scale.BATCH, 0).of(List.of(group(0, 2), group(1, 1)));
    assertThat(values(advantages.get(0)))
        .containsExactly(new double[] {-1.224745, 1.224745}, within(1e-6));
    assertThat(values(advantages.get(1))).containsExactly(0, 0);
  }

  @Test
  void missingScore_isLeftOutAndIsNotZero() {
    GroupAdvantages rloo = new GroupAdvantages(Baseline.LEAVE_ONE_OUT, Scale.NONE, 0);
    List<OptionalDouble> withMissing =
        List.of(OptionalDouble.of(1), MISSING, OptionalDouble.of(2), OptionalDouble.of(0));
    List<OptionalDouble> advantages = rloo.of(List.of(withMissing)).get(0);
    assertThat(advantages.get(1)).isEmpty();
    assertThat(values(List.of(advantages.get(0), advantages.get(2), advantages.get(3))))
        .containsExactly(of(Baseline.LEAVE_ONE_OUT, Scale.NONE, 0, 1, 2, 0), within(1e-12));
  }

  @Test
  void onlyScoredAnswer_hasNoAdvantage() {
    GroupAdvantages grpo = new GroupAdvantages(Baseline.MEAN, Scale.GROUP, 1e-4);
    assertThat(grpo.of(List.of(List.of(OptionalDouble.of(1), MISSING))).get(0))
        .containsExactly(MISSING, MISSING);
  }

  @Test
  void groupOfOne_isRefused() {
    assertThatThrownBy(() -> of(Baseline.MEAN, Scale.NONE, 0, 1))
        .hasMessage(
            "a group has 1 answer and its baseline is made of the answers to one prompt; sample at"
                + " least 2 per prompt");
  }

  @Test
  void badScores_areErrors() {
    assertThatThrownBy(() -> of(Baseline.MEAN, Scale.GROUP, 1e-4, 1, Double.NaN))
        .hasMessageContaining("a score is NaN");
    assertThatThrownBy(() -> of(Baseline.MEAN, Scale.GROUP_MEAN, 0, 1, -1))
        .hasMessageContaining("needs scores of at least 0");
  }

  @Test
  void constantGroups_areFoundAndGiveZeros() {
    assertThat(GroupAdvantages.constant(group(1, 1, 1, 1))).isTrue();
    assertThat(GroupAdvantages.constant(group(0, 0, 0, 0))).isTrue();
    assertThat(GroupAdvantages.constant(group(1, 0, 0, 1))).isFalse();
    assertThat(GroupAdvantages.constant(group(0, 0, 1, 0))).isFalse();
    assertThat(GroupAdvantages.constant(List.of(OptionalDouble.of(1), MISSING))).isTrue();
    for (Scale scale : Scale.values()) {
      assertThat(of(Baseline.MEAN, scale, 0, .1, .1, .1)).containsExactly(0, 0, 0);
      assertThat(of(Baseline.MEAN, scale, 0, 0, 0)).containsExactly(0, 0);
    }
  }

  @Test
  void withoutABaseline_anAnswerStandsForItself_aloneToo() {
    assertThat(of(Baseline.NONE, Scale.NONE, 0, 1)).containsExactly(1);
    assertThat(of(Baseline.NONE, Scale.NONE, 0, 2, 2)).containsExactly(2, 2);
    // Deviation of 1 and 3, n − 1: 1.414214.
    assertThat(of(Baseline.NONE, Scale.BATCH, 0, 1, 3))
        .containsExactly(new double[] {0.707107, 2.121320}, within(1e-6));
    assertThatThrownBy(() -> of(Baseline.NONE, Scale.GROUP, 0, 1, 3))
        .hasMessage(
            "without a baseline there is no scale GROUP of the group to divide by; choose NONE or"
                + " BATCH");
  }

  @Property(tries = 200)
  void advantages_anyScores_sumToZeroAndIgnoreAShift(
      @ForAll long seed, @ForAll @IntRange(min = 2, max = 16) int size) {
    SplittableRandom random = new SplittableRandom(seed);
    List<OptionalDouble> scores = new ArrayList<>();
    List<OptionalDouble> shifted = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      double score = random.nextGaussian();
      boolean missing = random.nextInt(5) == 0;
      scores.add(missing ? MISSING : OptionalDouble.of(score));
      shifted.add(missing ? MISSING : OptionalDouble.of(score + 3));
    }
    for (Baseline baseline : List.of(Baseline.MEAN, Baseline.LEAVE_ONE_OUT)) {
      for (Scale scale : List.of(Scale.NONE, Scale.GROUP, Scale.BATCH)) {
        GroupAdvantages advantages = new GroupAdvantages(baseline, scale, 1e-4);
        List<OptionalDouble> result = advantages.of(List.of(scores)).get(0);
        List<OptionalDouble> again = advantages.of(List.of(shifted)).get(0);
        double sum = 0;
        for (int i = 0; i < size; i++) {
          sum += result.get(i).orElse(0);
          assertThat(result.get(i).orElse(0)).isCloseTo(again.get(i).orElse(0), within(1e-9));
          assertThat(result.get(i).isPresent()).isEqualTo(again.get(i).isPresent());
        }
        assertThat(sum).as("seed %d", seed).isCloseTo(0, within(1e-9));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"80, 0", "81, -.05", "90, -.5", "99, -.95", "100, -1", "101, -1", "3, 0"})
  void overlong_matchesGoldenNumbers(int tokens, double expected) {
    assertThat(LengthPenalty.overlong(tokens, 100, 20, 1)).isCloseTo(expected, within(1e-12));
    assertThat(LengthPenalty.overlong(tokens, 100, 20, 2)).isCloseTo(2 * expected, within(1e-12));
  }

  @Test
  void truncated_scalesOrReplacesTheScoreOfAnAnswerThatDidNotStop() {
    assertThat(LengthPenalty.truncated(2, .25, FinishReason.LENGTH)).isEqualTo(.5);
    assertThat(LengthPenalty.truncated(2, 0, FinishReason.LENGTH)).isZero();
    assertThat(LengthPenalty.truncated(2, -1, FinishReason.LENGTH)).isEqualTo(-1);
    assertThat(LengthPenalty.truncated(2, -1, FinishReason.EOS)).isEqualTo(2);
    assertThat(LengthPenalty.truncated(2, 0, FinishReason.STOP)).isEqualTo(2);
  }

  @Test
  void returns_acrossTurns_matchGoldenNumbers() {
    // r = [0, 0, 0, 1] with the third token an observation: [.81, .9, –, 1].
    assertThat(Returns.discounted(Floats.of(0, 0, 1), .9).values())
        .containsExactly(new float[] {.81f, .9f, 1}, within(1e-6f));
  }

  @Test
  void distillation_matchesGoldenNumbers() {
    Floats student = Floats.of(-.5f, -1, -.2f);
    Floats teacher = Floats.of(-.7f, -.4f, -.25f);
    assertThat(Returns.distillation(student, teacher, 1, 0).values())
        .containsExactly(new float[] {-.2f, .6f, -.05f}, within(1e-6f));
    assertThat(Returns.distillation(student, teacher, 1, .9).values())
        .containsExactly(new float[] {.2995f, .555f, -.05f}, within(1e-6f));
    assertThat(Returns.distillation(student, teacher, 2, 0).get(1)).isCloseTo(1.2f, within(1e-6f));
  }

  @Test
  void reinforcePlusPlus_whitenedReturns_matchGoldenNumbers() {
    // Token returns [1, 1] and [0, 0, 0]: a score of 1 and of 0, without discount or KL.
    List<Floats> returns = new ArrayList<>();
    for (Floats rewards : List.of(Floats.of(0, 1), Floats.of(0, 0, 0))) {
      returns.add(Returns.discounted(rewards, 1));
    }
    assertThat(Samples.joined(Whitening.CENTRED.apply(returns, Masked.Variance.UNBIASED)).values())
        .containsExactly(
            new float[] {1.095445f, 1.095445f, -.730297f, -.730297f, -.730297f}, within(1e-6f));
    assertThat(Samples.joined(Whitening.CENTRED.apply(returns, Masked.Variance.BIASED)).values())
        .containsExactly(
            new float[] {1.224745f, 1.224745f, -.816497f, -.816497f, -.816497f}, within(1e-6f));
  }

  @Test
  void importanceWeights_matchGoldenNumbers() {
    Floats trained = Floats.of(-1);
    Floats sampled = Floats.of(-1.9f);
    assertThat(ImportanceWeights.truncated(trained, sampled, 100).get(0))
        .isCloseTo(2.459603f, within(1e-6f));
    assertThat(ImportanceWeights.truncated(trained, sampled, 2).get(0)).isEqualTo(2);
    assertThat(ImportanceWeights.masked(trained, sampled, .5, 2).get(0)).isZero();
    assertThat(ImportanceWeights.masked(trained, sampled, .5, 3).get(0))
        .isCloseTo(2.459603f, within(1e-6f));
  }
}
