package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.List;
import java.util.OptionalDouble;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The golden numbers of the losses, and what their metrics say. */
class ObjectiveGoldenTest {
  private static final Offset<Double> TOLERANCE = within(1e-6);

  private static <E extends Example> LossGradient one(
      Objective<E> objective, E example, TokenOutputs... outputs) {
    long reads = example.sequences().stream().mapToLong(s -> s.reads().size()).sum();
    return objective.evaluate(
        List.of(example), List.of(List.of(outputs)), new BatchTotals(1, reads));
  }

  @Test
  void ppoPolicy_deepSpeedChat_matchesGoldenNumber() {
    // Three trained actions; the fourth emits the end of sequence and is masked there.
    PolicyExample example =
        new PolicyExample(
            Samples.sequence(3),
            Floats.of(-1, -.5f, -2),
            Floats.of(4.246652f, 4.385950f, 4.501000f));
    LossGradient result =
        one(
            new PolicyObjective(.2, OptionalDouble.empty(), 0),
            example,
            Samples.logprobs(-.9f, -.6f, -1.7f));
    assertThat(result.loss()).isCloseTo(-4.687683, TOLERANCE);
    // Of the ratios e^.1, e^-.1, e^.3 = 1.105, .905, 1.350 the last is clipped.
    assertThat(result.metrics().get("clipFraction")).isCloseTo(1 / 3.0, TOLERANCE);
    assertThat(result.gradients().get(0).get(0).logprobs().get(2)).isZero();
    assertThat(result.metrics()).doesNotContainKey("entropy");
  }

  @Test
  void ppoValue_deepSpeedChat_matchesGoldenNumber() {
    ValueExample example =
        new ValueExample(
            Samples.sequence(3), Floats.of(.1f, .2f, .3f), Floats.of(4.346652f, 4.585950f, 4.801f));
    LossGradient result = one(new PpoValueObjective(.2), example, Samples.values(.5f, .1f, .6f));
    assertThat(result.loss()).isCloseTo(9.166291, TOLERANCE);
    assertThat(result.metrics().get("valueClipFraction")).isCloseTo(2 / 3.0, TOLERANCE);
  }

  @Test
  void ppoPolicy_dualClip_boundsABadActionsLoss() {
    PolicyExample example =
        new PolicyExample(Samples.sequence(1), Floats.of((float) -Math.log(5)), Floats.of(-1));
    LossGradient bounded =
        one(new PolicyObjective(.2, OptionalDouble.of(3), 0), example, Samples.logprobs(0));
    assertThat(bounded.loss()).isCloseTo(3, TOLERANCE);
    assertThat(bounded.gradients().get(0).get(0).logprobs().get(0)).isZero();
    LossGradient unbounded =
        one(new PolicyObjective(.2, OptionalDouble.empty(), 0), example, Samples.logprobs(0));
    assertThat(unbounded.loss()).isCloseTo(5, TOLERANCE);
  }

  @Test
  void ppoPolicy_absurdToken_isGuarded() {
    PolicyExample example = new PolicyExample(Samples.sequence(1), Floats.of(-2000), Floats.of(-1));
    LossGradient result =
        one(new PolicyObjective(.2, OptionalDouble.empty(), 0), example, Samples.logprobs(0));
    assertThat(result.loss()).isCloseTo(Math.exp(20), within(1.0));
    assertThat(result.gradients().get(0).get(0).logprobs().get(0)).isZero();
  }

  @Test
  void ppoPolicy_entropyBonus_lowersTheLoss() {
    PolicyObjective objective = new PolicyObjective(.2, OptionalDouble.empty(), .1);
    assertThat(objective.needs()).containsExactlyInAnyOrder(Output.LOGPROBS, Output.ENTROPIES);
    PolicyExample example =
        new PolicyExample(Samples.sequence(2), Floats.of(-1, -1), Floats.of(0, 0));
    LossGradient result =
        one(objective, example, new TokenOutputs(Floats.of(-1, -1), Floats.of(1, 3), Floats.EMPTY));
    assertThat(result.loss()).isCloseTo(-.2, TOLERANCE);
    assertThat(result.metrics()).contains(entry("entropy", 2.0));
  }

  @Test
  void reward_lastToken_matchesGoldenNumbers() {
    assertThat(lastToken(0, 0).loss()).isCloseTo(.371101, TOLERANCE);
    assertThat(lastToken(.5, 0).loss()).isCloseTo(.554355, TOLERANCE);
    assertThat(lastToken(0, .01).loss()).isCloseTo(.385501, TOLERANCE);
    assertThat(lastToken(0, 0).metrics().get("margin")).isCloseTo(.8, TOLERANCE);
    assertThat(lastToken(0, 0).metrics().get("accuracy")).isEqualTo(1);
  }

  private static LossGradient lastToken(double margin, double center) {
    RankedPair pair = RankedPair.lastToken(TokenIds.of(1, 2, 3), TokenIds.of(1, 4), margin);
    return one(
        new RewardObjective(RewardObjective.Kind.LAST_TOKEN, center),
        pair,
        Samples.values(1),
        Samples.values(.2f));
  }

  @Test
  void reward_tokenWise_matchesGoldenNumber() {
    RankedPair pair = RankedPair.tokenWise(TokenIds.of(1, 2, 3), TokenIds.of(4, 5, 6), 0);
    LossGradient result =
        one(
            new RewardObjective(RewardObjective.Kind.TOKEN_WISE, 0),
            pair,
            Samples.values(.2f, .5f, 1),
            Samples.values(.1f, .7f, .2f));
    assertThat(result.loss()).isCloseTo(.604545, TOLERANCE);
    assertThat(result.metrics().get("chosenReward")).isEqualTo(1);
  }

  @Test
  void tokenWisePair_differentLengths_padsTheShorterAndReadsFromTheDivergence() {
    RankedPair pair = RankedPair.tokenWise(TokenIds.of(1, 2, 3), TokenIds.of(1, 2, 4, 5, 6), 9);
    assertThat(pair.chosen().tokens()).isEqualTo(TokenIds.of(1, 2, 3, 9, 9));
    assertThat(pair.chosen().reads()).isEqualTo(TokenIds.of(2, 3, 4));
    assertThat(pair.from()).isZero();
    assertThat(pair.chosenScoreAt()).isZero();
    assertThat(pair.rejectedScoreAt()).isEqualTo(2);
  }

  @Test
  void tokenWisePair_prefix_readsTheScoreBeforeTheDivergence() {
    RankedPair pair = RankedPair.tokenWise(TokenIds.of(1, 2), TokenIds.of(1, 2, 4), 9);
    assertThat(pair.rejected().reads()).isEqualTo(TokenIds.of(1, 2));
    assertThat(pair.from()).isEqualTo(1);
    assertThat(pair.chosenScoreAt()).isZero();
    assertThat(pair.rejectedScoreAt()).isEqualTo(1);
  }

  @Test
  void tokenWisePair_identical_comparesTheLastToken() {
    RankedPair pair = RankedPair.tokenWise(TokenIds.of(1, 2, 3), TokenIds.of(1, 2, 3), 9);
    assertThat(pair.chosen().reads()).isEqualTo(TokenIds.of(2));
    LossGradient result =
        one(
            new RewardObjective(RewardObjective.Kind.TOKEN_WISE, 0),
            pair,
            Samples.values(.3f),
            Samples.values(.3f));
    assertThat(result.loss()).isCloseTo(Math.log(2), TOLERANCE);
    assertThat(result.metrics().get("accuracy")).isEqualTo(0.5);
  }

  @Test
  void tokenWise_centring_isRefused() {
    assertThatThrownBy(() -> new RewardObjective(RewardObjective.Kind.TOKEN_WISE, .01))
        .hasMessageContaining("the token-wise reward loss has no centring term");
  }

  @ParameterizedTest
  @CsvSource({
    "SIGMOID, 0, 0.620957",
    "SIGMOID, 0.1, 0.635957",
    "ROBUST, 0.1, 0.602207",
    "HINGE, 0, 0.85",
    "IPO_SUM, 0, 12.25"
  })
  void dpo_variants_matchGoldenNumbers(
      DpoLoss.Variant variant, double labelSmoothing, double expected) {
    // Chosen gains 1 over the reference, rejected loses .5: the difference is 1.5.
    DpoPair pair = new DpoPair(Samples.sequence(2), Samples.sequence(1), -3, -2);
    LossGradient result =
        one(
            new DpoObjective(variant, .1, labelSmoothing),
            pair,
            Samples.logprobs(-1.5f, -.5f),
            Samples.logprobs(-2.5f));
    assertThat(result.loss()).isCloseTo(expected, TOLERANCE);
    assertThat(result.metrics().get("chosenReward")).isCloseTo(.1, TOLERANCE);
    assertThat(result.metrics().get("rejectedReward")).isCloseTo(-.05, TOLERANCE);
    assertThat(result.metrics().get("margin")).isCloseTo(.15, TOLERANCE);
    assertThat(result.metrics().get("accuracy")).isEqualTo(1);
    assertThat(result.metrics().get("chosenLogprob")).isCloseTo(-2, TOLERANCE);
  }

  @Test
  void dpo_ipoOverMeans_matchesGoldenNumber() {
    // +1 over 5 tokens and -.5 over 4: h = .2 + .125, (.325 - 5)² = 21.855625
    DpoPair pair = new DpoPair(Samples.sequence(5), Samples.sequence(4), -6, -3.5);
    LossGradient result =
        one(
            new DpoObjective(DpoLoss.Variant.IPO, .1, 0),
            pair,
            Samples.logprobs(-1, -1, -1, -1, -1),
            Samples.logprobs(-1, -1, -1, -1));
    assertThat(result.loss()).isCloseTo(21.855625, TOLERANCE);
  }

  @Test
  void dpo_identicalPair_isLogTwoAndCancels() {
    DpoPair pair = new DpoPair(Samples.sequence(2), Samples.sequence(2), -2, -2);
    LossGradient result =
        one(
            new DpoObjective(DpoLoss.Variant.SIGMOID, .1, 0),
            pair,
            Samples.logprobs(-1, -1),
            Samples.logprobs(-1, -1));
    assertThat(result.loss()).isCloseTo(Math.log(2), TOLERANCE);
    assertThat(result.metrics().get("accuracy")).isEqualTo(0.5);
    TokenGradients chosen = result.gradients().get(0).get(0);
    TokenGradients rejected = result.gradients().get(0).get(1);
    assertThat(chosen.logprobs().get(0)).isEqualTo(-rejected.logprobs().get(0));
  }

  @Test
  void dpo_sftTerm_isTheChosenSidesMeanLoss() {
    // log 2 for the identical pair, and 0.5 times the mean of (1, 2) per token: 0.75.
    DpoPair pair = new DpoPair(Samples.sequence(2), Samples.sequence(2), -3, -3);
    LossGradient result =
        one(
            new DpoObjective(DpoLoss.Variant.SIGMOID, .1, 0, .5),
            pair,
            Samples.logprobs(-1, -2),
            Samples.logprobs(-1, -2));
    assertThat(result.loss()).isCloseTo(Math.log(2) + .75, TOLERANCE);
    assertThat(result.metrics().get("sftLoss")).isCloseTo(1.5, TOLERANCE);
    // d/dlogprob: DPO gives -0.1 / 2 to each chosen token, the SFT term -0.5 / 2.
    assertThat(result.gradients().get(0).get(0).logprobs().get(0)).isEqualTo(-.3f);
    assertThat(result.gradients().get(0).get(1).logprobs().get(0)).isEqualTo(.05f);
  }

  @Test
  void dpo_hugeDifference_staysFinite() {
    for (double difference : new double[] {1e6, -1e6}) {
      for (DpoLoss.Variant variant : DpoLoss.Variant.values()) {
        DpoLoss.Pair pair = DpoLoss.of(variant, difference, .1, .1, 0);
        assertThat(pair.loss()).isFinite();
        assertThat(pair.gradient()).isFinite();
      }
    }
  }

  @Test
  void dpo_emptyAnswer_countsAsZero() {
    DpoPair pair = new DpoPair(Samples.sequence(1), Samples.sequence(0), -1, 0);
    for (DpoLoss.Variant variant : DpoLoss.Variant.values()) {
      LossGradient result =
          one(new DpoObjective(variant, .1, 0), pair, Samples.logprobs(-1), Samples.logprobs());
      assertThat(result.loss()).isFinite();
    }
  }

  @Test
  void dpo_smoothingThatIsNotRead_isRefused() {
    assertThatThrownBy(() -> new DpoObjective(DpoLoss.Variant.IPO, .1, .1))
        .hasMessageContaining("the variant IPO does not read it");
    assertThatThrownBy(() -> new DpoObjective(DpoLoss.Variant.SIGMOID, 0, 0))
        .hasMessage("beta is 0.0, must be above 0");
  }

  @Test
  void sft_unequalLengths_averagingDiffers() {
    // Two micro-batches of one example each: 1 token of NLL 4, and 3 tokens of NLL 1.
    assertThat(sft(Averaging.GLOBAL_TOKEN)).isCloseTo(7 / 4.0, TOLERANCE);
    assertThat(sft(Averaging.MICRO_BATCH)).isCloseTo((4 + 1) / 2.0, TOLERANCE);
    assertThat(sft(Averaging.SEQUENCE)).isCloseTo((4 + 1) / 2.0, TOLERANCE);
  }

  private static double sft(Averaging averaging) {
    SftObjective objective = new SftObjective(averaging);
    BatchTotals totals = new BatchTotals(2, 4);
    SftExample shorter = new SftExample(Samples.sequence(1));
    SftExample longer = new SftExample(Samples.sequence(3));
    return objective
            .evaluate(List.of(shorter), List.of(List.of(Samples.logprobs(-4))), totals)
            .loss()
        + objective
            .evaluate(List.of(longer), List.of(List.of(Samples.logprobs(-1, -1, -1))), totals)
            .loss();
  }

  @Test
  void sft_coefficient_scalesLossAndGradientNotTheMetric() {
    LossGradient result =
        one(
            new SftObjective(Averaging.GLOBAL_TOKEN, 27.8),
            new SftExample(Samples.sequence(2)),
            Samples.logprobs(-1, -3));
    assertThat(result.loss()).isCloseTo(27.8 * 2, TOLERANCE);
    assertThat(result.metrics()).containsExactly(entry("nll", 2.0));
    assertThat(result.gradients().get(0).get(0).logprobs()).isEqualTo(Floats.of(-13.9f, -13.9f));
  }

  @Test
  void objectives_exampleWithoutReads_addNothing() {
    LossGradient sft =
        one(
            new SftObjective(Averaging.SEQUENCE),
            new SftExample(Samples.sequence(0)),
            Samples.logprobs());
    assertThat(sft.loss()).isZero();
    for (Averaging averaging : Averaging.values()) {
      LossGradient policy =
          one(
              new PolicyObjective(.2, OptionalDouble.empty(), 0, averaging, 20),
              new PolicyExample(Samples.sequence(0), Floats.EMPTY, Floats.EMPTY),
              Samples.logprobs());
      assertThat(policy.loss()).isZero();
    }
  }
}
