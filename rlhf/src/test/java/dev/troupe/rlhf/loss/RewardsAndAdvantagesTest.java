package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

class RewardsAndAdvantagesTest {
  private static final Offset<Float> TOLERANCE = within(1e-6f);
  // One row of T = 7 tokens, P = 3; the end of sequence is the padding token, so its action has
  // mask 0.
  private static final Floats LOGPROBS = Floats.of(-1, -1, -1, -.5f, -2, -.1f);
  private static final Floats REFERENCE = Floats.of(-1, -1, -1.2f, -.4f, -1.5f, -.3f);
  private static final boolean[] MASK = {true, true, true, true, true, false};

  @Test
  void deepSpeedChatRow_padIsEos_putsTheScoreOnTheMaskedAction() {
    Floats rewards = DeepSpeedChatRewards.ofRow(LOGPROBS, REFERENCE, MASK, 3, 7, .1, 5);
    assertThat(rewards.values())
        .containsExactly(new float[] {0, 0, -.02f, .01f, .05f, 4.98f}, TOLERANCE);
  }

  @Test
  void deepSpeedChatRow_paddingAfterTheEnd_isZero() {
    // Two answer tokens count, so e = 2 + 2 + 1 = 5: the score is on action 4, action 5 is nothing.
    boolean[] mask = {true, true, true, true, false, false};
    Floats rewards = DeepSpeedChatRewards.ofRow(LOGPROBS, REFERENCE, mask, 3, -9, .1, 5);
    assertThat(rewards.values())
        .containsExactly(new float[] {0, 0, -.02f, .01f, -4.95f, 0}, TOLERANCE);
  }

  @Test
  void deepSpeedChatRow_fullWindow_putsTheScoreOnTheLastAction() {
    boolean[] mask = {true, true, true, true, true, true};
    Floats rewards = DeepSpeedChatRewards.ofRow(LOGPROBS, REFERENCE, mask, 3, 7, .1, 5);
    assertThat(rewards.get(5)).isCloseTo(4.98f, TOLERANCE);
  }

  @Test
  void deepSpeedChatResponse_eachFinish_equalsTheRow() {
    Floats logprobs = tail(LOGPROBS, 2);
    Floats reference = tail(REFERENCE, 2);
    var ended = DeepSpeedChatRewards.ofResponse(logprobs, reference, FinishReason.EOS, 7, .1, 5);
    assertThat(ended.rewards().values())
        .containsExactly(new float[] {-.02f, .01f, .05f, 4.98f}, TOLERANCE);
    assertThat(ended.trainedActions()).isEqualTo(3);
    var full = DeepSpeedChatRewards.ofResponse(logprobs, reference, FinishReason.LENGTH, 7, .1, 5);
    assertThat(full.rewards()).isEqualTo(ended.rewards());
    assertThat(full.trainedActions()).isEqualTo(4);
  }

  @Test
  void deepSpeedChatScore_ended_isReadBeforeTheEnd() {
    Prompt prompt = new Prompt("p", "p", TokenIds.of(5, 6));
    TokenIds response = TokenIds.of(7, 8, 2);
    Floats logprobs = Floats.of(-1, -1, -1);
    Rollout ended = new Rollout(prompt, response, "", logprobs, FinishReason.EOS, 1);
    assertThat(DeepSpeedChatRewards.scored(ended).reads()).isEqualTo(TokenIds.of(3));
    Rollout full = new Rollout(prompt, response, "", logprobs, FinishReason.LENGTH, 1);
    assertThat(DeepSpeedChatRewards.scored(full).reads()).isEqualTo(TokenIds.of(4));
  }

  @Test
  void deepSpeedChatRow_promptFillsTheRow_isAnError() {
    assertThatThrownBy(() -> DeepSpeedChatRewards.ofRow(LOGPROBS, REFERENCE, MASK, 7, 7, .1, 5))
        .hasMessage("a prompt of 7 tokens leaves no action of 6");
  }

  @Test
  void gae_deepSpeedChatRow_matchesGoldenNumbers() {
    Gae.Estimate estimate =
        Gae.estimate(Floats.of(-.02f, .01f, .05f, 4.98f), Floats.of(.1f, .2f, .3f, .4f), 1, .95);
    assertThat(estimate.advantages().values())
        .containsExactly(new float[] {4.246652f, 4.385950f, 4.501000f, 4.580000f}, TOLERANCE);
    assertThat(estimate.returns().values())
        .containsExactly(new float[] {4.346652f, 4.585950f, 4.801000f, 4.980000f}, TOLERANCE);
  }

  @Test
  void gae_lambdaZero_isTheTemporalDifference() {
    Gae.Estimate estimate = Gae.estimate(Floats.of(1, 2), Floats.of(10, 20), .5, 0);
    // 1 + .5*20 - 10 = 1;  2 - 20 = -18
    assertThat(estimate.advantages().values()).containsExactly(1f, -18f);
  }

  @Test
  void gae_oneAndNoToken_work() {
    assertThat(Gae.estimate(Floats.of(3), Floats.of(1), 1, .95).advantages())
        .isEqualTo(Floats.of(2));
    assertThat(Gae.estimate(Floats.EMPTY, Floats.EMPTY, 1, .95).returns()).isEqualTo(Floats.EMPTY);
  }

  @Test
  void vTrace_byHand() {
    Gae.Estimate estimate =
        Gae.estimate(Floats.of(1, 2, 3), Floats.of(.5f, 1, 2), Floats.of(2, .5f, 0), .9, .5);
    // δ = 1.4, 2.8, 1; what follows a token of ratio 0 is not credited to those before it.
    assertThat(estimate.advantages().values())
        .containsExactly(new float[] {1.4f + .45f * 1.4f, 2.8f, 1}, TOLERANCE);
    assertThat(estimate.returns().values())
        .containsExactly(new float[] {.5f + 2.03f, 1 + 1.4f, 2}, TOLERANCE);
  }

  /** V-trace as its paper writes it: v_s = V_s + Σ γ^(t−s) (Π c_i) ρ_t δ_t, c = λ min(1, ρ). */
  @Test
  void vTrace_isTheSumOfThePaper() {
    long seed = 20261130;
    Random random = new Random(seed);
    double gamma = .97;
    double lambda = .9;
    for (int trial = 0; trial < 20; trial++) {
      int size = 1 + random.nextInt(8);
      float[] rewards = new float[size];
      float[] values = new float[size];
      float[] ratios = new float[size];
      for (int t = 0; t < size; t++) {
        rewards[t] = (float) random.nextGaussian();
        values[t] = (float) random.nextGaussian();
        ratios[t] = (float) Math.exp(random.nextGaussian());
      }
      float[] returns =
          Gae.estimate(new Floats(rewards), new Floats(values), new Floats(ratios), gamma, lambda)
              .returns()
              .values();
      for (int s = 0; s < size; s++) {
        double expected = values[s];
        double product = 1;
        for (int t = s; t < size; t++) {
          double next = t + 1 < size ? values[t + 1] : 0;
          double delta = rewards[t] + gamma * next - values[t];
          expected += Math.pow(gamma, t - s) * product * Math.min(1, ratios[t]) * delta;
          product *= lambda * Math.min(1, ratios[t]);
        }
        assertThat((double) returns[s]).as("seed %d", seed).isCloseTo(expected, within(1e-5));
      }
    }
  }

  @Test
  void tokenRewards_modernPlacement_scoresTheLastToken() {
    Floats rewards = TokenRewards.of(tail(LOGPROBS, 2), tail(REFERENCE, 2), 7, .1);
    assertThat(rewards.values()).containsExactly(new float[] {-.02f, .01f, .05f, 6.98f}, TOLERANCE);
  }

  @Test
  void tokenRewards_oneAndNoToken_work() {
    assertThat(TokenRewards.of(Floats.of(-1), Floats.of(-2), 3, .5)).isEqualTo(Floats.of(2.5f));
    assertThat(TokenRewards.of(Floats.EMPTY, Floats.EMPTY, 3, .5)).isEqualTo(Floats.EMPTY);
  }

  @Test
  void score_clippedThenPenalised_keepsThePenalty() {
    OptionalDouble clip = OptionalDouble.of(5);
    assertThat(TokenRewards.score(7, clip, 1, FinishReason.EOS)).isEqualTo(5);
    assertThat(TokenRewards.score(7, clip, 1, FinishReason.LENGTH)).isEqualTo(4);
    assertThat(TokenRewards.score(-7, clip, 1, FinishReason.LENGTH)).isEqualTo(-6);
    assertThat(TokenRewards.score(-7, OptionalDouble.empty(), 1, FinishReason.STOP)).isEqualTo(-7);
  }

  @Test
  void whitening_goldenReturns_matchBothVariances() {
    List<Floats> batch = List.of(Floats.of(1, 1), Floats.of(0, 0, 0));
    List<Floats> unbiased = Whitening.CENTRED.apply(batch, Masked.Variance.UNBIASED);
    assertThat(unbiased.get(0).values())
        .containsExactly(new float[] {1.095445f, 1.095445f}, TOLERANCE);
    assertThat(unbiased.get(1).values())
        .containsExactly(new float[] {-.730297f, -.730297f, -.730297f}, TOLERANCE);
    List<Floats> biased = Whitening.CENTRED.apply(batch, Masked.Variance.BIASED);
    assertThat(biased.get(0).values())
        .containsExactly(new float[] {1.224745f, 1.224745f}, TOLERANCE);
    assertThat(biased.get(1).values())
        .containsExactly(new float[] {-.816497f, -.816497f, -.816497f}, TOLERANCE);
  }

  @Test
  void whitening_scaled_keepsTheMean() {
    Floats scaled =
        Whitening.SCALED.apply(List.of(Floats.of(9, 10, 11)), Masked.Variance.UNBIASED).get(0);
    assertThat(scaled.values()).containsExactly(new float[] {9, 10, 11}, within(1e-5f));
    Floats wide =
        Whitening.SCALED.apply(List.of(Floats.of(8, 10, 12)), Masked.Variance.UNBIASED).get(0);
    assertThat(wide.values()).containsExactly(new float[] {9, 10, 11}, within(1e-5f));
  }

  @Test
  void whitening_allEqualOrSingleOrNothing_staysFinite() {
    for (Masked.Variance variance : Masked.Variance.values()) {
      assertThat(Whitening.CENTRED.apply(List.of(Floats.of(4, 4), Floats.of(4)), variance))
          .containsExactly(Floats.of(0, 0), Floats.of(0));
      assertThat(Whitening.CENTRED.apply(List.of(Floats.of(4)), variance))
          .containsExactly(Floats.of(0));
      assertThat(Whitening.SCALED.apply(List.of(Floats.of(4)), variance))
          .containsExactly(Floats.of(4));
      assertThat(Whitening.CENTRED.apply(List.of(Floats.EMPTY), variance))
          .containsExactly(Floats.EMPTY);
    }
  }

  private static Floats tail(Floats values, int from) {
    return new Floats(Arrays.copyOfRange(values.values(), from, values.size()));
  }
}
