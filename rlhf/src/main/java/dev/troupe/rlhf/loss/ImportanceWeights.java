package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;

/**
 * Truncated importance sampling (Ionides 2008; for rollouts of other numbers than training's, Yao
 * et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training"): answers
 * come from the rollout weights μ, the gradient is to be that of the policy π as training computes
 * it.
 *
 * <pre>  w_t = min(π(a_t) / μ(a_t), c)</pre>
 *
 * A weight multiplies its token's loss and has no gradient. With the proximal policy as the trained
 * one and the stale policy that sampled as the other, untruncated, these are the weights of
 * decoupled PPO (Fu et al. 2025, arXiv:2505.24298, equation 5).
 */
public final class ImportanceWeights {
  private ImportanceWeights() {}

  /**
   * One weight per token.
   *
   * @param trained log-probabilities as training computes them, before any update
   * @param sampled those of the weights that sampled, as many
   * @param cap c, above 0; infinite for none
   */
  public static Floats truncated(Floats trained, Floats sampled, double cap) {
    Shapes.same("trained", trained, "sampled", sampled);
    if (!(cap > 0)) {
      throw new IllegalArgumentException("cap is " + cap + ", must be above 0");
    }
    float[] weights = new float[trained.size()];
    for (int t = 0; t < weights.length; t++) {
      weights[t] = (float) Math.min(Math.exp((double) trained.get(t) - sampled.get(t)), cap);
    }
    return new Floats(weights);
  }

  /**
   * One weight per token, 0 outside [lowest, highest] (IcePop, Ling team 2025): a token that the
   * two distributions disagree on is left out rather than weighed.
   *
   * @param lowest at least 0, 0.5 is usual
   * @param highest above it, 2 to 5 are usual
   */
  public static Floats masked(Floats trained, Floats sampled, double lowest, double highest) {
    Limit.atLeast("lowest weight", lowest, 0);
    Limit.above("highest weight", highest, lowest);
    float[] weights = truncated(trained, sampled, Double.POSITIVE_INFINITY).values();
    for (int t = 0; t < weights.length; t++) {
      weights[t] = weights[t] < lowest || weights[t] > highest ? 0 : weights[t];
    }
    return new Floats(weights);
  }
}
