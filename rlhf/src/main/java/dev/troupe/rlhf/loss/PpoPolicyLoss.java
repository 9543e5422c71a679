package dev.troupe.rlhf.loss;

import java.util.OptionalDouble;

/** PPO's clipped surrogate of one token (Schulman et al. 2017, equation 7). */
public final class PpoPolicyLoss {
  private PpoPolicyLoss() {}

  /**
   * One token's loss.
   *
   * @param loss in the units of the advantage
   * @param gradient dloss/dlogprob
   * @param ratio ρ
   * @param clipped whether a clip decided the loss, so that the gradient is 0
   */
  public record Token(double loss, double gradient, double ratio, boolean clipped) {}

  /**
   * With ρ = exp(logprob − oldLogprob):
   *
   * <pre>
   *   L = max(−A·ρ, −A·clip(ρ, 1−ε, 1+ε))
   *   L = min(L, −A·c)   when A is negative and there is a dual clip c (Ye et al. 2020, equation 5)
   * </pre>
   *
   * The gradient flows through {@code logprob} alone.
   *
   * @param clipEpsilon ε above 0
   * @param dualClip c above 1, usually 3
   * @param logRatioLimit log ρ is clamped to ± this, so that one absurd token can't overflow;
   *     infinite for no guard
   */
  public static Token of(
      double logprob,
      double oldLogprob,
      double advantage,
      double clipEpsilon,
      OptionalDouble dualClip,
      double logRatioLimit) {
    double logRatio = logprob - oldLogprob;
    double guarded = Math.max(-logRatioLimit, Math.min(logRatioLimit, logRatio));
    double ratio = Math.exp(guarded);
    double inside = Math.max(1 - clipEpsilon, Math.min(1 + clipEpsilon, ratio));
    double plain = -advantage * ratio;
    double withClip = -advantage * inside;
    double loss = Math.max(plain, withClip);
    boolean clipped = withClip > plain;
    if (advantage < 0 && dualClip.isPresent()) {
      double bound = -advantage * dualClip.getAsDouble();
      clipped |= bound < loss;
      loss = Math.min(loss, bound);
    }
    double gradient = clipped || guarded != logRatio ? 0 : plain;
    return new Token(loss, gradient, ratio, clipped);
  }
}
