package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;

/**
 * Estimates of KL(π ‖ ref) from one sampled token, with d = log π − log ref (Schulman 2020,
 * "Approximating KL Divergence"). They enter rewards and logs; as a term of a loss, {@link KlTerm}.
 */
public enum Kl {
  /** k1 = d: unbiased, high variance, may be negative. */
  K1 {
    @Override
    public double estimate(double logprob, double refLogprob) {
      return logprob - refLogprob;
    }

    @Override
    double slope(double logprob, double refLogprob) {
      return 1;
    }
  },
  /** k2 = d²/2: biased, low variance. */
  K2 {
    @Override
    public double estimate(double logprob, double refLogprob) {
      double d = logprob - refLogprob;
      return d * d / 2;
    }

    @Override
    double slope(double logprob, double refLogprob) {
      return logprob - refLogprob;
    }
  },
  /** k3 = e^{−d} − 1 + d: unbiased, never negative. */
  K3 {
    @Override
    public double estimate(double logprob, double refLogprob) {
      double d = logprob - refLogprob;
      return Math.expm1(-d) + d;
    }

    @Override
    double slope(double logprob, double refLogprob) {
      return -Math.expm1(refLogprob - logprob);
    }
  };

  /** The estimate of one token. */
  public abstract double estimate(double logprob, double refLogprob);

  /** d estimate / d logprob, for {@link KlTerm}. */
  abstract double slope(double logprob, double refLogprob);

  /**
   * The estimate per token.
   *
   * @param logprobs R, of the policy
   * @param refLogprobs R, of the reference
   */
  public Floats estimate(Floats logprobs, Floats refLogprobs) {
    Shapes.same("logprobs", logprobs, "refLogprobs", refLogprobs);
    float[] kl = new float[logprobs.size()];
    for (int t = 0; t < kl.length; t++) {
      kl[t] = (float) estimate(logprobs.get(t), refLogprobs.get(t));
    }
    return new Floats(kl);
  }

  /** The sum over a response: the estimate of the whole sequence's KL when this is k1. */
  public double sum(Floats logprobs, Floats refLogprobs) {
    Shapes.same("logprobs", logprobs, "refLogprobs", refLogprobs);
    double sum = 0;
    for (int t = 0; t < logprobs.size(); t++) {
      sum += estimate(logprobs.get(t), refLogprobs.get(t));
    }
    return sum;
  }
}
