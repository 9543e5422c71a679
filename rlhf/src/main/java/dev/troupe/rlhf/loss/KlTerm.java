package dev.troupe.rlhf.loss;

/**
 * The distance to the reference as a term of the policy's loss: coefficient · mean of an estimate
 * of KL(π ‖ ref).
 *
 * @param coefficient β, 0 for no term
 * @param gradient what is differentiated
 */
public record KlTerm(double coefficient, Kl estimator, Gradient gradient) {
  /** No term. */
  public static final KlTerm NONE = new KlTerm(0, Kl.K3, Gradient.ESTIMATE);

  /** What stands behind the term's gradient, with d = log π − log ref of the sampled token. */
  public enum Gradient {
    /**
     * The estimate's own derivative, as GRPO's k3 has it in TRL, verl and NeMo: d for k2, 1 − e^−d
     * for k3. For k3 that is not the divergence's gradient, though close to it near the reference;
     * for k1 it is 1, which is 0 in expectation whatever the divergence, so k1 is refused.
     */
    ESTIMATE,
    /**
     * d for every estimator: the gradient of the divergence itself, in expectation over the
     * policy's own samples (k2's; verl's "k1+" and "k3+"). The estimator is what is reported.
     */
    DIVERGENCE,
    /**
     * The estimate times ρ, the ratio to the policy that sampled, differentiated as a whole
     * (DeepSeek-V3.2, 2025, arXiv:2512.02556; TRL's {@code use_bias_correction_kl}): the gradient
     * of the divergence in expectation over what the older policy sampled. With ρ = 1 it is d for
     * k3 and d + 1 for k1, which is the same in expectation. k2's would be neither.
     */
    CORRECTED
  }

  public KlTerm {
    Limit.atLeast("KL coefficient", coefficient, 0);
    if (coefficient > 0 && estimator == Kl.K1 && gradient == Gradient.ESTIMATE) {
      throw new IllegalArgumentException(
          "k1 as a term of the loss has a gradient that is 0 in expectation and would hold the"
              + " policy to nothing; choose k2 or k3, the gradient of the divergence, or put the KL"
              + " penalty into the reward");
    }
    if (coefficient > 0 && estimator == Kl.K2 && gradient == Gradient.CORRECTED) {
      throw new IllegalArgumentException(
          "k2 times the ratio has not the gradient of the divergence in expectation; choose k1 or"
              + " k3");
    }
  }

  /**
   * One token's term, before the coefficient.
   *
   * @param difference d
   * @param rho ratio to the policy that sampled
   */
  double value(double difference, double rho) {
    double estimate = estimator.estimate(difference, 0);
    return gradient == Gradient.CORRECTED ? rho * estimate : estimate;
  }

  /** Its derivative by d, which is that by the token's log-probability where ρ is constant. */
  double slope(double difference, double rho) {
    return switch (gradient) {
      case ESTIMATE -> estimator.slope(difference, 0);
      case DIVERGENCE -> Kl.K2.slope(difference, 0);
      case CORRECTED -> rho * estimator.slope(difference, 0);
    };
  }

  /** What is added to that since ρ depends on the token's log-probability too. */
  double slopeByRatio(double difference, double rho) {
    return gradient == Gradient.CORRECTED ? rho * estimator.estimate(difference, 0) : 0;
  }
}
