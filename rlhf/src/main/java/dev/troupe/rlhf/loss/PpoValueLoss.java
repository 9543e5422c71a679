package dev.troupe.rlhf.loss;

/** The critic's clipped squared error of one token, as PPO's reference implementation has it. */
public final class PpoValueLoss {
  private PpoValueLoss() {}

  /**
   * One token's loss.
   *
   * @param loss half a squared error
   * @param gradient dloss/dvalue
   * @param clipped whether the clip decided the loss, so that the gradient is 0
   */
  public record Token(double loss, double gradient, boolean clipped) {}

  /**
   * With v̂ = clip(v, V_old − ε, V_old + ε): L = ½·max((v − R)², (v̂ − R)²).
   *
   * @param clipEpsilon ε above 0; infinite for no clip
   */
  public static Token of(double value, double oldValue, double target, double clipEpsilon) {
    double inside = Math.max(oldValue - clipEpsilon, Math.min(oldValue + clipEpsilon, value));
    double plain = (value - target) * (value - target);
    double withClip = (inside - target) * (inside - target);
    boolean clipped = withClip > plain;
    return new Token(Math.max(plain, withClip) / 2, clipped ? 0 : value - target, clipped);
  }
}
