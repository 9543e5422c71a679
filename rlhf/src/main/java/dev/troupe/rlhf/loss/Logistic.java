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
}
