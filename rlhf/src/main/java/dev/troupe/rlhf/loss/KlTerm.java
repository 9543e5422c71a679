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
    DIVERGENCE
  }

  public KlTerm {
    Limit.atLeast("KL coefficient", coefficient, 0);
    if (coefficient > 0 && estimator == Kl.K1 && gradient == Gradient.ESTIMATE) {
      throw new IllegalArgumentException(
          "k1 as a term of the loss has a gradient that is 0 in expectation and would hold the"
              + " policy to nothing; choose k2 or k3, the gradient of the divergence, or put the KL"
              + " penalty into the reward");
    }
  }

  /** d term / d logprob of one token, before the coefficient. */
  double slope(double logprob, double refLogprob) {
    return switch (gradient) {
      case ESTIMATE -> estimator.slope(logprob, refLogprob);
      case DIVERGENCE -> Kl.K2.slope(logprob, refLogprob);
    };
  }
}
