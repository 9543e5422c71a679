package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Golden numbers of the preference losses beside DPO, of scores and of dynamic fine-tuning. */
class PreferenceObjectivesTest {
  private static final Offset<Double> TOLERANCE = within(1e-6);

  private static <E extends Example> LossGradient one(
      Objective<E> objective, E example, TokenOutputs... outputs) {
    long reads = example.sequences().stream().mapToLong(s -> s.reads().size()).sum();
    return objective.evaluate(
        List.of(example), List.of(List.of(outputs)), new BatchTotals(1, reads));
  }

  @ParameterizedTest
  @CsvSource({"2, 0.201413", ".1, 0.913015"})
  void simPo_matchesGoldenNumbers(double beta, double expected) {
    // Mean log-probabilities -2 and -3 over different lengths, γ .5, no reference.
    DpoPair pair = new DpoPair(Samples.sequence(2), Samples.sequence(3), 0, 0);
    LossGradient result =
        one(
            new DpoObjective(DpoLoss.Variant.SIGMOID_MEAN, beta, 0, .5, 0),
            pair,
            Samples.logprobs(-1, -3),
            Samples.logprobs(-3, -3, -3));
    assertThat(result.loss()).isCloseTo(expected, TOLERANCE);
  }

  @Test
  void cpo_matchesGoldenNumbers() {
    // Sums -10 and -12; an NLL of 2 per token over 5 tokens.
    DpoPair pair = new DpoPair(Samples.sequence(5), Samples.sequence(1), 0, 0);
    TokenOutputs chosen = Samples.logprobs(-2, -2, -2, -2, -2);
    TokenOutputs rejected = Samples.logprobs(-12);
    DpoLoss.Variant sigmoid = DpoLoss.Variant.SIGMOID;
    assertThat(one(new DpoObjective(sigmoid, .1, 0, 0), pair, chosen, rejected).loss())
        .isCloseTo(.598139, TOLERANCE);
    assertThat(one(new DpoObjective(sigmoid, .1, 0, 1), pair, chosen, rejected).loss())
        .isCloseTo(2.598139, TOLERANCE);
  }

  @Test
  void sftTerm_overTheStepsTokens_weighsLongAnswersMore() {
    // Two chosen answers of 1 and 3 tokens with NLLs of 4 and 1 each: 7/4 over tokens, 5/2 by pair.
    DpoObjective objective = new DpoObjective(DpoLoss.Variant.SIGMOID, .1, 0, 1);
    for (boolean overTokens : new boolean[] {true, false}) {
      DpoPair first =
          new DpoPair(Samples.sequence(1), Samples.sequence(0), -4, 0, overTokens ? 2 : 1);
      DpoPair second =
          new DpoPair(Samples.sequence(3), Samples.sequence(0), -3, 0, overTokens ? 2 : 3);
      LossGradient result =
          objective.evaluate(
              List.of(first, second),
              List.of(
                  List.of(Samples.logprobs(-4), Samples.logprobs()),
                  List.of(Samples.logprobs(-1, -1, -1), Samples.logprobs())),
              new BatchTotals(2, 4));
      assertThat(result.metrics().get("sftLoss"))
          .isCloseTo(overTokens ? 7 / 4.0 : 5 / 2.0, TOLERANCE);
    }
  }

  @Test
  void targetMargin_ofIpo_isRefused() {
    assertThatThrownBy(() -> new DpoObjective(DpoLoss.Variant.IPO, .1, 0, .5, 0))
        .hasMessageContaining("the variant IPO does not read it");
  }

  @Test
  void orpo_matchesGoldenNumbers() {
    // ℓ = -2 and -3, and the imitated tokens' mean NLL is 2: two of the prompt, three answered.
    OrpoPair pair = new OrpoPair(Samples.sequence(5), Samples.sequence(1), 2, 5);
    LossGradient result =
        one(
            new OrpoObjective(.1),
            pair,
            Samples.logprobs(-1, -3, -2, -1, -3),
            Samples.logprobs(-3));
    assertThat(result.metrics().get("logOdds")).isCloseTo(1.094344, TOLERANCE);
    assertThat(result.metrics().get("sftLoss")).isCloseTo(2, TOLERANCE);
    assertThat(result.loss()).isCloseTo(2.028875, TOLERANCE);
    // A prompt's token gets the imitation's share alone.
    assertThat(result.gradients().get(0).get(0).logprobs().get(0)).isEqualTo(-.2f);
  }

  @Test
  void orpo_equalSides_areHalfWon() {
    LossGradient result =
        one(
            new OrpoObjective(.1),
            new OrpoPair(Samples.sequence(1), Samples.sequence(2), 0, 1),
            Samples.logprobs(-2),
            Samples.logprobs(-2, -2));
    assertThat(result.metrics()).containsEntry("accuracy", .5).containsEntry("margin", 0.0);
  }

  @Test
  void orpo_certainOrEmptyAnswer_staysFinite() {
    for (TokenOutputs chosen : List.of(Samples.logprobs(0), Samples.logprobs(-1e-12f))) {
      LossGradient result =
          one(
              new OrpoObjective(.1),
              new OrpoPair(Samples.sequence(1), Samples.sequence(1), 0, 1),
              chosen,
              Samples.logprobs(-2000));
      assertThat(result.loss()).isFinite();
      assertThat(result.gradients().get(0).get(0).logprobs().get(0)).isFinite();
    }
    LossGradient empty =
        one(
            new OrpoObjective(.1),
            new OrpoPair(Samples.sequence(0), Samples.sequence(1), 0, 1),
            Samples.logprobs(),
            Samples.logprobs(-1));
    assertThat(empty.loss()).isFinite();
  }

  @Test
  void orpoPair_answerBeyondTheReads_isAnError() {
    assertThatThrownBy(() -> new OrpoPair(Samples.sequence(2), Samples.sequence(1), 3, 1))
        .hasMessage("answerFrom is 3 and the chosen side has 2 reads");
  }

  @Test
  void kto_matchesGoldenNumbers() {
    KtoObjective objective = new KtoObjective(.1, 1, 1, .2, 0);
    // ℓ = 1 and ℓ = -.5
    KtoExample good = new KtoExample(Samples.sequence(2), true, -4);
    LossGradient liked = one(objective, good, Samples.logprobs(-1, -2));
    assertThat(liked.loss()).isCloseTo(.480011, TOLERANCE);
    assertThat(liked.metrics().get("accuracy")).isEqualTo(1);
    assertThat(liked.metrics().get("margin")).isCloseTo(.08, TOLERANCE);
    KtoExample bad = new KtoExample(Samples.sequence(2), false, -2.5);
    LossGradient disliked = one(objective, bad, Samples.logprobs(-1, -2));
    assertThat(disliked.loss()).isCloseTo(.482507, TOLERANCE);
    assertThat(one(new KtoObjective(.1, 2, 3, .2, 0), good, Samples.logprobs(-1, -2)).loss())
        .isCloseTo(2 * .480011, within(2e-6));
    assertThat(one(new KtoObjective(.1, 2, 3, .2, 0), bad, Samples.logprobs(-1, -2)).loss())
        .isCloseTo(3 * .482507, within(3e-6));
  }

  @Test
  void kto_sftTerm_isOfDesirableAnswersAlone() {
    KtoObjective objective = new KtoObjective(.1, 1, 1, .2, .5);
    KtoExample good = new KtoExample(Samples.sequence(2), true, -4);
    assertThat(one(objective, good, Samples.logprobs(-1, -2)).loss())
        .isCloseTo(.480011 + .75, TOLERANCE);
    KtoExample bad = new KtoExample(Samples.sequence(2), false, -2.5);
    assertThat(one(objective, bad, Samples.logprobs(-1, -2)).loss()).isCloseTo(.482507, TOLERANCE);
  }

  @Test
  void ktoReferencePoint_isTheMeanOrZero() {
    assertThat(KtoObjective.referencePoint(List.of(1.0, -.5))).isCloseTo(.25, TOLERANCE);
    assertThat(KtoObjective.referencePoint(List.of(1.0, -5.0))).isZero();
    assertThatThrownBy(() -> KtoObjective.referencePoint(List.of()))
        .hasMessageContaining("there are none");
  }

  @Test
  void score_regressionAndLabels_areTheirFormulas() {
    ScoredExample scored = new ScoredExample(Samples.sequence(2), Floats.of(1, 0));
    LossGradient regression =
        one(
            new ScoreObjective(ScoreObjective.Kind.REGRESSION, Averaging.GLOBAL_TOKEN),
            scored,
            Samples.values(.5f, 2));
    assertThat(regression.loss()).isCloseTo((.25 + 4) / 2, TOLERANCE);
    assertThat(regression.metrics().get("scoreError")).isCloseTo(1.25, TOLERANCE);
    LossGradient labels =
        one(
            new ScoreObjective(ScoreObjective.Kind.LABEL, Averaging.GLOBAL_TOKEN),
            scored,
            Samples.values(.5f, 2));
    // −log σ(.5) = .474077, −log σ(−2) = 2.126928; the second is on the wrong side.
    assertThat(labels.loss()).isCloseTo((.474077 + 2.126928) / 2, TOLERANCE);
    assertThat(labels.metrics().get("accuracy")).isCloseTo(.5, TOLERANCE);
  }

  @Test
  void score_labelOutsideItsRange_isAnError() {
    assertThatThrownBy(
            () ->
                one(
                    new ScoreObjective(ScoreObjective.Kind.LABEL, Averaging.GLOBAL_TOKEN),
                    new ScoredExample(Samples.sequence(1), Floats.of(2)),
                    Samples.values(0)))
        .hasMessage("the label of a step is 2.0, must be from 0 to 1");
  }

  @Test
  void dynamicFineTuning_matchesGoldenNumber_andItsWeightHasNoGradient() {
    LossGradient result =
        one(
            new SftObjective(Averaging.GLOBAL_TOKEN, 1, SftObjective.Weighting.PROBABILITY),
            new SftExample(Samples.sequence(2)),
            Samples.logprobs((float) Math.log(.5), (float) Math.log(.1)));
    assertThat(result.loss()).isCloseTo(.288416, TOLERANCE);
    assertThat(result.metrics().get("nll")).isCloseTo(-Math.log(.05) / 2, TOLERANCE);
    assertThat(result.gradients().get(0).get(0).logprobs().values())
        .containsExactly(new float[] {-.25f, -.05f}, within(1e-6f));
  }
}
