package dev.troupe.rlhf.loss;

/** The logistic function and its logarithms, safe against overflow at any finite argument. */
public final class Logistic {
  private Logistic() {}

  /** σ(x) = 1 / (1 + e^−x). */
  public static double sigmoid(double x) {
    if (x >= 0) {
      return 1 / (1 + Math.exp(-x));
    }
    double power = Math.exp(x);
    return power / (1 + power);
  }

  /** log(1 + e^x), about x for large x and e^x for very negative x. */
  public static double softplus(double x) {
    return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }

  /** log σ(x) = −softplus(−x); its derivative is σ(−x). */
  public static double logSigmoid(double x) {
    return -softplus(-x);
  }

  /** log(1 − e^x) for x below 0; log of the probability of the opposite of log-probability x. */
  public static double log1mExp(double x) {
    return x > -Math.log(2) ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x));
  }
}
