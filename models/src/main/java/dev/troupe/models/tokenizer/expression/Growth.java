package dev.troupe.models.tokenizer.expression;

import java.util.Arrays;

/**
 * A number of trials as a polynomial of the text's length.
 *
 * @param coefficients of 1, n, n² …; an empty array stands for growth beyond all bounds
 */
record Growth(double[] coefficients) {
  static final Growth NONE = new Growth(new double[] {0});
  static final Growth ONE = new Growth(new double[] {1});
  static final Growth LENGTH = new Growth(new double[] {0, 1});
  static final Growth BOUNDLESS = new Growth(new double[0]);

  private static final int HIGHEST_DEGREE = 6;

  boolean isBoundless() {
    return coefficients.length == 0;
  }

  /** At least one; whatever grows is that already. */
  Growth orOne() {
    return equals(NONE) ? ONE : this;
  }

  Growth plus(Growth other) {
    if (isBoundless() || other.isBoundless()) {
      return BOUNDLESS;
    }
    double[] sum =
        Arrays.copyOf(coefficients, Math.max(coefficients.length, other.coefficients.length));
    for (int i = 0; i < other.coefficients.length; i++) {
      sum[i] += other.coefficients[i];
    }
    return new Growth(sum);
  }

  Growth times(Growth other) {
    if (isBoundless() || other.isBoundless()) {
      return BOUNDLESS;
    }
    double[] product = new double[coefficients.length + other.coefficients.length - 1];
    for (int i = 0; i < coefficients.length; i++) {
      for (int j = 0; j < other.coefficients.length; j++) {
        product[i + j] += coefficients[i] * other.coefficients[j];
      }
    }
    int degree = product.length - 1;
    while (degree > 0 && product[degree] == 0) {
      degree--;
    }
    return degree > HIGHEST_DEGREE ? BOUNDLESS : new Growth(Arrays.copyOf(product, degree + 1));
  }

  /** For a text of this length. */
  double at(double length) {
    if (isBoundless()) {
      return Double.POSITIVE_INFINITY;
    }
    double sum = 0;
    for (int i = coefficients.length - 1; i >= 0; i--) {
      sum = sum * length + coefficients[i];
    }
    return sum;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Growth growth && Arrays.equals(coefficients, growth.coefficients);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(coefficients);
  }

  @Override
  public String toString() {
    return isBoundless() ? "boundless" : Arrays.toString(coefficients);
  }
}
