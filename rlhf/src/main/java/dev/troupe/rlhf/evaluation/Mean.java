package dev.troupe.rlhf.evaluation;

import java.util.List;
import java.util.OptionalDouble;

/**
 * A mean with its 95 % confidence interval by Student's t.
 *
 * @param low absent where there is one value alone
 * @param high likewise
 * @param count of values
 */
public record Mean(double mean, OptionalDouble low, OptionalDouble high, int count) {
  private static final double Z = 1.959963984540054; // 97.5 % quantile of the normal distribution

  /**
   * Of values that are independent of one another.
   *
   * @param values at least one, finite
   */
  public static Mean of(List<Double> values) {
    int n = values.size();
    if (n == 0) {
      throw new IllegalArgumentException("of nothing there is no mean");
    }
    double mean = values.stream().mapToDouble(Double::doubleValue).sum() / n;
    if (n == 1) {
      return new Mean(mean, OptionalDouble.empty(), OptionalDouble.empty(), 1);
    }
    double squares = 0;
    for (double value : values) {
      squares += (value - mean) * (value - mean);
    }
    double half = quantile(n - 1) * Math.sqrt(squares / (n - 1) / n);
    return new Mean(mean, OptionalDouble.of(mean - half), OptionalDouble.of(mean + half), n);
  }

  /**
   * The 97.5 % quantile of Student's t: exact for 1 and 2 degrees of freedom, else Fisher and
   * Cornish's expansion (Abramowitz and Stegun 26.7.5), within 0.2 %.
   */
  static double quantile(int degrees) {
    if (degrees == 1) {
      return Math.tan(0.475 * Math.PI);
    }
    if (degrees == 2) {
      return 0.95 * Math.sqrt(2 / (1 - 0.95 * 0.95));
    }
    double n = degrees;
    double z2 = Z * Z;
    double g1 = Z * (z2 + 1) / 4;
    double g2 = Z * ((5 * z2 + 16) * z2 + 3) / 96;
    double g3 = Z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
    double g4 = Z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
    return Z + (g1 + (g2 + (g3 + g4 / n) / n) / n) / n;
  }
}
