package dev.troupe.rlhf.recipe;

/**
 * A share of a sample with its 95 % confidence interval (Wilson 1927).
 *
 * @param hits of {@code total}; ties may count a half
 */
public record Proportion(double share, double low, double high, double hits, long total) {
  private static final double Z = 1.959963984540054; // 97.5 % quantile of the normal distribution

  public static Proportion of(double hits, long total) {
    if (total == 0) {
      return new Proportion(0, 0, 1, 0, 0);
    }
    double p = hits / total;
    double z2 = Z * Z / total;
    double center = (p + z2 / 2) / (1 + z2);
    double half = Z * Math.sqrt(p * (1 - p) / total + z2 / (4 * total)) / (1 + z2);
    return new Proportion(p, Math.max(0, center - half), Math.min(1, center + half), hits, total);
  }
}
