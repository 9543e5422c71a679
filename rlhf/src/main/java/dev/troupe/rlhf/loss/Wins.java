package dev.troupe.rlhf.loss;

/** How accuracies and win rates count a comparison of two numbers. */
public final class Wins {
  private Wins() {}

  /**
   * 1 when the first is larger, 0 when it is smaller, 0.5 when they are equal; NaN when one of them
   * is not a number, for then nothing was compared.
   */
  public static double of(double first, double second) {
    if (Double.isNaN(first) || Double.isNaN(second)) {
      return Double.NaN;
    }
    return first > second ? 1 : first == second ? 0.5 : 0;
  }
}
