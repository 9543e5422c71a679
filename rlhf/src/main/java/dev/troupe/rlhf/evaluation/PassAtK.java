package dev.troupe.rlhf.evaluation;

/** How likely one of k answers to a problem is right (Chen et al. 2021, section 2.1). */
public final class PassAtK {
  private PassAtK() {}

  /**
   * The unbiased estimate from n answers of which c are right: 1 − C(n−c, k) / C(n, k), as a
   * product that does not overflow.
   *
   * @param n answers to the problem, at least k
   * @param c of them right
   * @param k at least 1
   */
  public static double estimate(int n, int c, int k) {
    if (k < 1 || n < k || c < 0 || c > n) {
      throw new IllegalArgumentException(
          "n is " + n + ", c is " + c + ", k is " + k + ", must be 1 ≤ k ≤ n and 0 ≤ c ≤ n");
    }
    if (n - c < k) {
      return 1;
    }
    double noneRight = 1;
    for (int i = n - c + 1; i <= n; i++) {
      noneRight *= 1 - (double) k / i;
    }
    return 1 - noneRight;
  }
}
