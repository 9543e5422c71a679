package dev.troupe.rlhf.loss;

/** Checks of coefficients, with messages that name them. NaN is never within a limit. */
final class Limit {
  private Limit() {}

  static void above(String name, double value, double bound) {
    if (!(value > bound)) {
      throw new IllegalArgumentException(name + " is " + value + ", must be above " + bound(bound));
    }
  }

  static void atLeast(String name, double value, double bound) {
    if (!(value >= bound)) {
      throw new IllegalArgumentException(
          name + " is " + value + ", must be at least " + bound(bound));
    }
  }

  private static String bound(double bound) {
    return bound == (long) bound ? String.valueOf((long) bound) : String.valueOf(bound);
  }
}
