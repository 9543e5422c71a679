package dev.troupe.models.peft;

import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/** Sums in double over the rows of a weight. */
final class Rows {
  private Rows() {}

  /** For each row, on all cores. */
  static void each(int rows, IntConsumer work) {
    IntStream.range(0, rows).parallel().forEach(work);
  }

  /** A row of so many numbers of a, from {@code at} on, times b, (count, columns). */
  static double[] product(float[] a, int at, int count, float[] b, int columns) {
    double[] sums = new double[columns];
    for (int r = 0; r < count; r++) {
      double factor = a[at + r];
      for (int i = 0; i < columns; i++) {
        sums[i] += factor * b[r * columns + i];
      }
    }
    return sums;
  }
}
