package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Floats;

/** Statistics over the tokens that count. */
public final class Masked {
  private Masked() {}

  /** What the sum of squared deviations of n numbers is divided by. */
  public enum Variance {
    /** n − 1. The variance of a single number is taken as 0. */
    UNBIASED,
    /** n. */
    BIASED
  }

  /** How many elements of {@code responseMask} are true. */
  public static int count(boolean[] responseMask) {
    int count = 0;
    for (boolean counts : responseMask) {
      count += counts ? 1 : 0;
    }
    return count;
  }

  /** Σ x·m. A value outside the mask may be anything, NaN included. */
  public static double sum(Floats values, boolean[] responseMask) {
    Shapes.same("values", values.size(), "responseMask", responseMask.length);
    double sum = 0;
    for (int t = 0; t < responseMask.length; t++) {
      sum += responseMask[t] ? values.get(t) : 0;
    }
    return sum;
  }

  /** Σ x·m / Σ m, and 0 for an empty mask. */
  public static double mean(Floats values, boolean[] responseMask) {
    double sum = sum(values, responseMask);
    int count = count(responseMask);
    return count == 0 ? 0 : sum / count;
  }

  /** Variance over the mask; 0 when fewer than two tokens count. */
  public static double variance(Floats values, boolean[] responseMask, Variance kind) {
    double mean = mean(values, responseMask);
    double squares = 0;
    for (int t = 0; t < responseMask.length; t++) {
      double deviation = responseMask[t] ? values.get(t) - mean : 0;
      squares += deviation * deviation;
    }
    int count = count(responseMask);
    if (count < 2) {
      return 0;
    }
    return squares / (kind == Variance.UNBIASED ? count - 1 : count);
  }
}
