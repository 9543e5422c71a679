package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.TokenOutputs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * PPO's relatives: golden numbers on two answers of three and two tokens, ρ = [[1.221403, 1.105171,
 * .606531], [.740818, 2.013753]], advantages 1 and −1.
 */
class PolicyObjectiveTest {
  private static final Offset<Double> TOLERANCE = within(1e-6);
  private static final float[][] LOGPROBS = {{-1, -.5f, -2}, {-.7f, -1.2f}};
  private static final float[][] OLD = {{-1.2f, -.6f, -1.5f}, {-.4f, -1.9f}};
  private static final Surrogate PPO = new Surrogate.Clip(.2, .2, OptionalDouble.empty());
  private static final Surrogate CLIP_HIGHER = new Surrogate.Clip(.2, .28, OptionalDouble.empty());

  private static PolicyObjective objective(Ratio ratio, Surrogate surrogate, Averaging averaging) {
    return new PolicyObjective(ratio, surrogate, KlTerm.NONE, 0, averaging, 20);
  }

  /** The two answers; lengths of 0 stand for the answers' own. */
  private static LossGradient evaluate(
      PolicyObjective objective, float[] advantages, int... length) {
    List<PolicyExample> examples = new ArrayList<>();
    List<List<TokenOutputs>> outputs = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      int reads = LOGPROBS[i].length;
      float[] perToken = new float[reads];
      Arrays.fill(perToken, advantages[i]);
      examples.add(
          new PolicyExample(
              Samples.sequence(reads),
              new Floats(OLD[i]),
              new Floats(perToken),
              Floats.EMPTY,
              length.length == 0 ? reads : length[i]));
      outputs.add(List.of(Samples.logprobs(LOGPROBS[i])));
    }
    return objective.evaluate(examples, outputs, new BatchTotals(2, 5));
  }

  private static double loss(Ratio ratio, Surrogate surrogate, Averaging averaging, int... length) {
    return evaluate(objective(ratio, surrogate, averaging), new float[] {1, -1}, length).loss();
  }

  @ParameterizedTest
  @CsvSource({".2, -0.019590, 0.218155, -0.012244", ".28, -0.023870, 0.214587, -0.014919"})
  void clip_threeAveragings_matchGoldenNumbers(
      double high, double token, double sequence, double limit) {
    Surrogate clip = new Surrogate.Clip(.2, high, OptionalDouble.empty());
    assertThat(loss(Ratio.TOKEN, clip, Averaging.GLOBAL_TOKEN)).isCloseTo(token, TOLERANCE);
    assertThat(loss(Ratio.TOKEN, clip, Averaging.SEQUENCE)).isCloseTo(sequence, TOLERANCE);
    assertThat(loss(Ratio.TOKEN, clip, Averaging.SEQUENCE, 4, 4)).isCloseTo(limit, TOLERANCE);
  }

  @Test
  void clip_promptMean_isTheTokenMeanOfEachPromptsAnswers() {
    // Both answer one prompt: their mean length is 2.5, and the mean over the prompt's 5 tokens is
    // the token mean.
    PolicyObjective objective = objective(Ratio.TOKEN, PPO, Averaging.SEQUENCE);
    List<PolicyExample> examples = new ArrayList<>();
    List<List<TokenOutputs>> outputs = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      int reads = LOGPROBS[i].length;
      Floats advantages = i == 0 ? Floats.of(1, 1, 1) : Floats.of(-1, -1);
      examples.add(
          new PolicyExample(
              Samples.sequence(reads), new Floats(OLD[i]), advantages, Floats.EMPTY, 2.5));
      outputs.add(List.of(Samples.logprobs(LOGPROBS[i])));
    }
    assertThat(objective.evaluate(examples, outputs, new BatchTotals(2, 5)).loss())
        .isCloseTo(-0.019590, TOLERANCE);
  }

  @Test
  void metrics_lossOverTheLimit_areStillMeansOverTokens() {
    PolicyObjective objective = objective(Ratio.TOKEN, PPO, Averaging.SEQUENCE);
    float[] advantages = {1, -1};
    double mean = ((1.221403 + 1.105171 + .606531) / 3 + (.740818 + 2.013753) / 2) / 2;
    assertThat(evaluate(objective, advantages).metrics().get("ratio")).isCloseTo(mean, TOLERANCE);
    assertThat(evaluate(objective, advantages, 40, 40).metrics().get("ratio"))
        .isCloseTo(mean, TOLERANCE);
  }

  @Test
  void gspo_matchesGoldenNumbers() {
    Surrogate clip = new Surrogate.Clip(3e-4, 4e-4, OptionalDouble.empty());
    PolicyObjective gspo = objective(Ratio.SEQUENCE_MEAN, clip, Averaging.SEQUENCE);
    LossGradient open = evaluate(gspo, new float[] {1, -1});
    assertThat(open.loss()).isCloseTo(.142948, TOLERANCE);
    assertThat(open.metrics().get("ratio")).isCloseTo((.935507 + 1.221403) / 2, TOLERANCE);
    LossGradient bound = evaluate(gspo, new float[] {-1, 1});
    assertThat(bound.loss()).isCloseTo(-.000350, TOLERANCE);
    assertThat(bound.metrics().get("clipFraction")).isCloseTo(1, TOLERANCE);
    assertThat(bound.gradients().get(0).get(0).logprobs()).isEqualTo(Floats.of(0, 0, 0));
  }

  @Test
  void rloo_productRatio_isTheWholeSequences() {
    // Σ log ρ = -.2 and .4: -1·e^-.2 clipped to nothing, +1·e^.4: mean of -.818731 and 1.491825.
    assertThat(loss(Ratio.SEQUENCE, PPO, Averaging.SEQUENCE))
        .isCloseTo((-Math.exp(-.2) + Math.exp(.4)) / 2, TOLERANCE);
  }

  @Test
  void cispo_matchesGoldenNumbers_andCappedTokensKeepTheirGradient() {
    assertThat(loss(Ratio.TOKEN, new Surrogate.Cispo(1.28), Averaging.GLOBAL_TOKEN))
        .isCloseTo(.186495, TOLERANCE);
    LossGradient result =
        evaluate(
            objective(Ratio.TOKEN, new Surrogate.Cispo(5), Averaging.GLOBAL_TOKEN),
            new float[] {1, -1});
    assertThat(result.loss()).isCloseTo(.010395, TOLERANCE);
    LossGradient capped =
        evaluate(
            objective(Ratio.TOKEN, new Surrogate.Cispo(1.28), Averaging.GLOBAL_TOKEN),
            new float[] {1, -1});
    // The ratio is a constant: -min(ρ, cap)·A/5, here of ρ = .606531 and of 2.013753.
    assertThat((double) capped.gradients().get(0).get(0).logprobs().get(2))
        .isCloseTo(-.606531 / 5, TOLERANCE);
    assertThat((double) capped.gradients().get(1).get(0).logprobs().get(1))
        .isCloseTo(1.28 / 5, TOLERANCE);
    assertThat(capped.metrics().get("clipFraction")).isCloseTo(1 / 5.0, TOLERANCE);
  }

  @Test
  void tokenSums_matchGoldenNumbers() {
    Surrogate sampling = new Surrogate.ImportanceSampling();
    assertThat(5 * loss(Ratio.TOKEN, sampling, Averaging.GLOBAL_TOKEN))
        .isCloseTo(-.178533, TOLERANCE);
    assertThat(5 * loss(Ratio.TOKEN, PPO, Averaging.GLOBAL_TOKEN)).isCloseTo(-.097949, TOLERANCE);
  }

  @Test
  void sapo_matchesGoldenNumbers() {
    Surrogate sapo = new Surrogate.Sapo(1, 1.05);
    assertThat(sapo.of(0, 1.5, 1).loss()).isCloseTo(-2.489837, TOLERANCE);
    assertThat(sapo.of(0, .5, -1).loss()).isCloseTo(1.415938, TOLERANCE);
    // At ρ = 1 it is the policy gradient's own slope.
    assertThat(sapo.of(0, 1, 3).ratioGradient()).isCloseTo(-3, TOLERANCE);
  }

  @Test
  void decoupledPpo_matchesGoldenNumber() {
    // θ −1, proximal −1.1, behaviour −1.4, A 1
    double weight =
        ImportanceWeights.truncated(Floats.of(-1.1f), Floats.of(-1.4f), Double.POSITIVE_INFINITY)
            .get(0);
    assertThat(weight).isCloseTo(1.349859, TOLERANCE);
    PolicyExample example =
        new PolicyExample(Samples.sequence(1), Floats.of(-1.1f), Floats.of((float) weight));
    LossGradient result =
        objective(Ratio.TOKEN, PPO, Averaging.GLOBAL_TOKEN)
            .evaluate(
                List.of(example), List.of(List.of(Samples.logprobs(-1))), new BatchTotals(1, 1));
    assertThat(result.loss()).isCloseTo(-1.491825, TOLERANCE);
    assertThat(result.metrics().get("ratio")).isCloseTo(1.105171, TOLERANCE);
  }

  private static LossGradient withKl(KlTerm kl, float logprob, float refLogprob) {
    PolicyExample example =
        new PolicyExample(
            Samples.sequence(1), Floats.of(logprob), Floats.of(0), Floats.of(refLogprob), 1);
    return new PolicyObjective(Ratio.TOKEN, PPO, kl, 0, Averaging.GLOBAL_TOKEN, 20)
        .evaluate(
            List.of(example), List.of(List.of(Samples.logprobs(logprob))), new BatchTotals(1, 1));
  }

  @ParameterizedTest
  @CsvSource({
    // d = log π − log ref = .2: k1 = .2, k2 = .02, k3 = .018731; slopes d, and 1 − e^−.2 = .181269
    "K1, DIVERGENCE, .2, .2",
    "K2, ESTIMATE, .02, .2",
    "K2, DIVERGENCE, .02, .2",
    "K3, ESTIMATE, .018731, .181269",
    "K3, DIVERGENCE, .018731, .2",
    // ρ is 1 here, and its own derivative adds the estimate: d + 1, and .018731 + .181269.
    "K1, CORRECTED, .2, 1.2",
    "K3, CORRECTED, .018731, .2"
  })
  void klTerm_everyEstimator_hasItsValueAndGradient(
      Kl estimator, KlTerm.Gradient gradient, double value, double slope) {
    LossGradient result = withKl(new KlTerm(.5, estimator, gradient), -1, -1.2f);
    assertThat(result.loss()).isCloseTo(.5 * value, TOLERANCE);
    assertThat(result.metrics().get("refKl")).isCloseTo(value, TOLERANCE);
    assertThat((double) result.gradients().get(0).get(0).logprobs().get(0))
        .isCloseTo(.5 * slope, TOLERANCE);
  }

  @Test
  void klTerm_absurdToken_isGuarded() {
    LossGradient result = withKl(new KlTerm(1, Kl.K3, KlTerm.Gradient.ESTIMATE), -3000, 0);
    assertThat(result.loss()).isCloseTo(Math.expm1(20) - 20, within(1.0));
    assertThat(result.gradients().get(0).get(0).logprobs().get(0)).isZero();
  }

  @Test
  void klTerm_k1OfTheEstimate_isRefused() {
    assertThatThrownBy(() -> new KlTerm(.1, Kl.K1, KlTerm.Gradient.ESTIMATE))
        .hasMessageContaining("k1 as a term of the loss has a gradient that is 0 in expectation");
  }

  @Test
  void klTerm_corrected_whatItCannotCorrect_isRefused() {
    assertThatThrownBy(() -> new KlTerm(.1, Kl.K2, KlTerm.Gradient.CORRECTED))
        .hasMessageContaining("choose k1 or k3");
    KlTerm term = new KlTerm(.1, Kl.K3, KlTerm.Gradient.CORRECTED);
    assertThatThrownBy(
            () -> new PolicyObjective(Ratio.SEQUENCE_MEAN, PPO, term, 0, Averaging.SEQUENCE, 20))
        .hasMessageContaining("corrected by the ratio of each token");
  }

  /**
   * Of all of the older policy's outcomes, μ: the corrected term's gradient by a logit is that of
   * KL(π ‖ ref), the plain one's is not.
   */
  @Test
  void klTerm_corrected_isTheDivergencesGradient_overAnOlderPolicysSamples() {
    double[] logits = {0.3, -0.4, 0.1};
    double[] mu = {0.2, 0.5, 0.3};
    double[] ref = {0.3, 0.3, 0.4};
    double[] pi = softmax(logits);
    double step = 1e-5;
    for (int v = 0; v < logits.length; v++) {
      double[] up = logits.clone();
      double[] down = logits.clone();
      up[v] += step;
      down[v] -= step;
      double expected = (divergence(softmax(up), ref) - divergence(softmax(down), ref)) / 2 / step;
      double corrected = 0;
      double plain = 0;
      for (int a = 0; a < mu.length; a++) {
        double byLogit = (a == v ? 1 : 0) - pi[v];
        corrected += mu[a] * klSlope(KlTerm.Gradient.CORRECTED, pi[a], mu[a], ref[a]) * byLogit;
        plain += mu[a] * klSlope(KlTerm.Gradient.ESTIMATE, pi[a], mu[a], ref[a]) * byLogit;
      }
      // Log-probabilities are floats.
      assertThat(corrected).isCloseTo(expected, within(1e-6));
      assertThat(Math.abs(plain - expected)).isGreaterThan(1e-4);
    }
  }

  private static double klSlope(KlTerm.Gradient gradient, double pi, double mu, double ref) {
    float logprob = (float) Math.log(pi);
    PolicyExample example =
        new PolicyExample(
            Samples.sequence(1),
            Floats.of((float) Math.log(mu)),
            Floats.of(0),
            Floats.of((float) Math.log(ref)),
            1);
    return new PolicyObjective(
            Ratio.TOKEN, PPO, new KlTerm(1, Kl.K3, gradient), 0, Averaging.GLOBAL_TOKEN, 20)
        .evaluate(
            List.of(example), List.of(List.of(Samples.logprobs(logprob))), new BatchTotals(1, 1))
        .gradients()
        .get(0)
        .get(0)
        .logprobs()
        .get(0);
  }

  private static double[] softmax(double[] logits) {
    double sum = Arrays.stream(logits).map(Math::exp).sum();
    return Arrays.stream(logits).map(z -> Math.exp(z) / sum).toArray();
  }

  private static double divergence(double[] pi, double[] ref) {
    double sum = 0;
    for (int a = 0; a < pi.length; a++) {
      sum += pi[a] * Math.log(pi[a] / ref[a]);
    }
    return sum;
  }

  @Test
  void klTerm_withoutReference_isRefused() {
    PolicyExample example = new PolicyExample(Samples.sequence(1), Floats.of(-1), Floats.of(1));
    PolicyObjective objective =
        new PolicyObjective(
            Ratio.TOKEN,
            PPO,
            new KlTerm(.1, Kl.K3, KlTerm.Gradient.ESTIMATE),
            0,
            Averaging.GLOBAL_TOKEN,
            20);
    assertThatThrownBy(
            () ->
                objective.evaluate(
                    List.of(example),
                    List.of(List.of(Samples.logprobs(-1))),
                    new BatchTotals(1, 1)))
        .hasMessage("reads has 1 elements and refLogprobs has 0, they must be equal");
  }

  @Test
  void settingsThatWouldNotBeRead_areRefused() {
    assertThatThrownBy(() -> objective(Ratio.SEQUENCE_MEAN, PPO, Averaging.GLOBAL_TOKEN))
        .hasMessageContaining("choose SEQUENCE");
    assertThatThrownBy(() -> loss(Ratio.TOKEN, PPO, Averaging.GLOBAL_TOKEN, 4, 4))
        .hasMessageContaining("the averaging GLOBAL_TOKEN does not read that");
  }

  @Test
  void surrogates_badNumbers_areErrors() {
    assertThatThrownBy(() -> new Surrogate.Clip(0, .2, OptionalDouble.empty()))
        .hasMessage("clip low is 0.0, must be above 0");
    assertThatThrownBy(() -> new Surrogate.Clip(.2, Double.NaN, OptionalDouble.empty()))
        .hasMessage("clip high is NaN, must be above 0");
    assertThatThrownBy(() -> new Surrogate.Clip(.2, .2, OptionalDouble.of(1)))
        .hasMessage("dualClip is 1.0, must be above 1");
    assertThatThrownBy(() -> new Surrogate.Cispo(0)).hasMessage("cap is 0.0, must be above 0");
    assertThat(CLIP_HIGHER.of(0, 1.25, 1).clipped()).isFalse();
    assertThat(CLIP_HIGHER.of(0, 1.3, 1).clipped()).isTrue();
  }
}
