package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;
import java.util.Arrays;

/** Generalised advantage estimation (Schulman et al. 2016, equations 11 to 16). */
public final class Gae {
  private Gae() {}

  /**
   * Advantages and the critic's targets.
   *
   * @param advantages R
   * @param returns R, advantages + values where the policy itself has sampled
   */
  public record Estimate(Floats advantages, Floats returns) {}

  /**
   * From the last token down, with A_R = 0 and V_R = 0 (an answer that ran into the limit is taken
   * as ended):
   *
   * <pre>
   *   δ_t = r_t + γ·V_{t+1} − V_t
   *   A_t = δ_t + γ·λ·A_{t+1}
   *   R_t = A_t + V_t
   * </pre>
   *
   * @param rewards R
   * @param values R, of the state before each token
   * @param gamma γ in [0, 1]
   * @param gaeLambda λ in [0, 1]
   */
  public static Estimate estimate(Floats rewards, Floats values, double gamma, double gaeLambda) {
    float[] same = new float[rewards.size()];
    Arrays.fill(same, 1);
    return estimate(rewards, values, new Floats(same), gamma, gaeLambda);
  }

  /**
   * Of what another policy sampled: V-trace (Espeholt et al. 2018, arXiv:1802.01561, equations 1
   * and 2, both bounds 1, and λ of its remark 2). Nothing is credited to a token for what followed
   * one that the policy would not have sampled any more:
   *
   * <pre>
   *   A_t = δ_t + γ·λ·(R_{t+1} − V_{t+1})
   *   R_t = V_t + min(1, ρ_t)·A_t
   * </pre>
   *
   * @param ratios R, ρ: probability of each token over the one it was sampled with
   */
  public static Estimate estimate(
      Floats rewards, Floats values, Floats ratios, double gamma, double gaeLambda) {
    Shapes.same("rewards", rewards, "values", values);
    Shapes.same("rewards", rewards, "ratios", ratios);
    float[] advantages = new float[rewards.size()];
    float[] returns = new float[rewards.size()];
    double nextCredit = 0;
    double nextValue = 0;
    for (int t = rewards.size() - 1; t >= 0; t--) {
      double value = values.get(t);
      double delta = rewards.get(t) + gamma * nextValue - value;
      double advantage = delta + gamma * gaeLambda * nextCredit;
      nextCredit = Math.min(1, ratios.get(t)) * advantage;
      nextValue = value;
      advantages[t] = (float) advantage;
      returns[t] = (float) (nextCredit + value);
    }
    return new Estimate(new Floats(advantages), new Floats(returns));
  }
}
