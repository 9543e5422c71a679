package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;

/** Generalised advantage estimation (Schulman et al. 2016, equations 11 to 16). */
public final class Gae {
  private Gae() {}

  /**
   * Advantages and the critic's targets.
   *
   * @param advantages R
   * @param returns R, advantages + values
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
    Shapes.same("rewards", rewards, "values", values);
    float[] advantages = new float[rewards.size()];
    float[] returns = new float[rewards.size()];
    double nextAdvantage = 0;
    double nextValue = 0;
    for (int t = rewards.size() - 1; t >= 0; t--) {
      double value = values.get(t);
      double delta = rewards.get(t) + gamma * nextValue - value;
      nextAdvantage = delta + gamma * gaeLambda * nextAdvantage;
      nextValue = value;
      advantages[t] = (float) nextAdvantage;
      returns[t] = (float) (nextAdvantage + value);
    }
    return new Estimate(new Floats(advantages), new Floats(returns));
  }
}
