package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import java.util.OptionalDouble;

/** Rewards per token from a score per response: the usual placement (TRL, OpenRLHF, verl). */
public final class TokenRewards {
  private TokenRewards() {}

  /**
   * r_t = −β·(logprob_t − refLogprob_t), plus the score on the last response token.
   *
   * @param logprobs R, of the policy that sampled
   * @param refLogprobs R
   * @param score as {@link #score} made it
   * @param klCoefficient β
   * @return R rewards; none for an empty response, whose score then has no token to sit on
   */
  public static Floats of(Floats logprobs, Floats refLogprobs, double score, double klCoefficient) {
    Shapes.same("logprobs", logprobs, "refLogprobs", refLogprobs);
    int last = logprobs.size() - 1;
    float[] rewards = new float[logprobs.size()];
    for (int t = 0; t <= last; t++) {
      double penalty = klCoefficient * Kl.K1.estimate(logprobs.get(t), refLogprobs.get(t));
      rewards[t] = (float) ((t == last ? score : 0) - penalty);
    }
    return new Floats(rewards);
  }

  /**
   * The score that training sees: clipped to ±{@code clip}, then lowered by the penalty when the
   * response did not end. The penalty comes after the clip so that a clip can't swallow it.
   *
   * @param score as the reward model gave it
   * @param clip largest absolute score; absent for none
   * @param missingEosPenalty at least 0, subtracted when {@code finish} is LENGTH
   */
  public static double score(
      double score, OptionalDouble clip, double missingEosPenalty, FinishReason finish) {
    double clipped = clip.isPresent() ? clip(score, clip.getAsDouble()) : score;
    return finish == FinishReason.LENGTH ? clipped - missingEosPenalty : clipped;
  }

  static double clip(double score, double limit) {
    return Math.max(-limit, Math.min(limit, score));
  }
}
