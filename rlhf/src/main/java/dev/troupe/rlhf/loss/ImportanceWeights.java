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
 * A weight multiplies its token's loss and has no gradient.
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
}
