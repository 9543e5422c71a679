package dev.troupe.models.quantisation;

import java.util.Arrays;

/**
 * Numbers from -1 to 1 that codes stand for, and the code of the nearest one: a number in the
 * middle between two gets the lower, as in bitsandbytes.
 */
final class Codebook {
  /** Cells of the range that are looked up at first. */
  private static final int CELLS = 1024;

  private final float[] middles;
  private final byte[] codes;

  /** For each cell, how many middles lie below it for certain. */
  private final short[] below;

  /**
   * @param numbers by code
   */
  Codebook(float... numbers) {
    Integer[] order = new Integer[numbers.length];
    Arrays.setAll(order, i -> i);
    // Of FP4's two zeros the first counts as the lower, so that what is just above 0 gets the
    // other's
    // code: bitsandbytes has it so.
    Arrays.sort(order, (a, b) -> Float.compare(numbers[a], numbers[b]));
    codes = new byte[numbers.length];
    middles = new float[numbers.length - 1];
    for (int i = 0; i < order.length; i++) {
      codes[i] = order[i].byteValue();
      if (i > 0) {
        middles[i - 1] = (numbers[order[i - 1]] + numbers[order[i]]) / 2;
      }
    }
    below = new short[CELLS + 2];
    for (int cell = 0; cell < below.length; cell++) {
      // A cell less, for what rounding may do at its edge.
      float edge = (cell - 1f) / (CELLS / 2) - 1;
      int count = 0;
      while (count < middles.length && middles[count] < edge) {
        count++;
      }
      below[cell] = (short) count;
    }
  }

  /** The code of the nearest number; of NaN the lowest. */
  int code(float x) {
    int cell = (int) ((x + 1) * (CELLS / 2));
    int rank = below[cell < 0 ? 0 : Math.min(cell, CELLS + 1)];
    while (rank < middles.length && x > middles[rank]) {
      rank++;
    }
    return codes[rank] & 0xff;
  }
}
