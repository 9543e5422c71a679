package dev.troupe.rlhf.recipe;

import java.util.List;
import java.util.Optional;

/**
 * A share of a sample with its 95 % confidence interval (Wilson 1927).
 *
 * @param hits of {@code total}; ties may count a half
 */
public record Proportion(double share, double low, double high, double hits, long total) {
  private static final double Z = 1.959963984540054; // 97.5 % quantile of the normal distribution

  /**
   * @param total at least 1: of nothing there is no share
   */
  public static Proportion of(double hits, long total) {
    if (total < 1) {
      throw new IllegalArgumentException("total is " + total + ", must be at least 1");
    }
    double p = hits / total;
    double z2 = Z * Z / total;
    double center = (p + z2 / 2) / (1 + z2);
    double half = Z * Math.sqrt(p * (1 - p) / total + z2 / (4 * total)) / (1 + z2);
    return new Proportion(p, Math.max(0, center - half), Math.min(1, center + half), hits, total);
  }

  /**
   * Of comparisons as {@link dev.troupe.rlhf.loss.Wins} counts them: what could not be compared is
   * not part of the sample, and of none there is no proportion.
   */
  static Optional<Proportion> ofWins(List<Double> wins) {
    List<Double> counted = wins.stream().filter(win -> !win.isNaN()).toList();
    return counted.isEmpty()
        ? Optional.empty()
        : Optional.of(of(counted.stream().mapToDouble(Double::doubleValue).sum(), counted.size()));
  }
}
