package dev.troupe.models.quantisation;

import java.util.stream.IntStream;

/**
 * Whole numbers at even steps (Jacob et al., arXiv:1712.05877): with absmax the largest magnitude
 * of those that share a scale is the largest number and zero is zero, with a zero point the least
 * and the largest of them are the ends of the range. Here to be measured; what is held and written
 * is {@link Blocks}'s.
 *
 * @param bits of a number, 2 to 8
 * @param zeroPoint whether with a zero point, not by absmax
 * @param share who shares a scale
 * @param blockSize numbers that do, for {@link Share#BLOCK}
 */
public record Uniform(int bits, boolean zeroPoint, Share share, int blockSize) {
  /** Who shares a scale. */
  public enum Share {
    TENSOR,
    /** A row: what makes one output. */
    CHANNEL,
    BLOCK
  }

  public Uniform {
    if (bits < 2 || bits > 8 || blockSize < 1) {
      throw new IllegalArgumentException(
          bits + " bits in blocks of " + blockSize + "; expected 2 to 8 bits and a block");
    }
  }

  /**
   * The numbers that come out.
   *
   * @param columns of a row; with blocks the numbers are a multiple of one
   */
  public float[] numbers(float[] numbers, int columns) {
    int size =
        switch (share) {
          case TENSOR -> numbers.length;
          case CHANNEL -> columns;
          case BLOCK -> blockSize;
        };
    if (numbers.length % size != 0) {
      throw new IllegalArgumentException(
          numbers.length + " numbers are no multiple of " + size + " that share a scale");
    }
    float[] out = new float[numbers.length];
    IntStream.range(0, numbers.length / size)
        .parallel()
        .forEach(
            group -> {
              if (zeroPoint) {
                byZeroPoint(numbers, out, group * size, size);
              } else {
                byAbsmax(numbers, out, group * size, size);
              }
            });
    return out;
  }

  private void byAbsmax(float[] numbers, float[] out, int from, int size) {
    float largest = 0;
    for (int i = from; i < from + size; i++) {
      largest = Math.max(largest, Math.abs(numbers[i]));
    }
    int most = (1 << (bits - 1)) - 1;
    float scale = largest / most;
    for (int i = from; i < from + size; i++) {
      out[i] = scale == 0 ? 0 : (float) Math.rint(numbers[i] / scale) * scale;
    }
  }

  /** The range has 0 in it, so that 0 comes out as 0. */
  private void byZeroPoint(float[] numbers, float[] out, int from, int size) {
    float least = 0;
    float largest = 0;
    for (int i = from; i < from + size; i++) {
      least = Math.min(least, numbers[i]);
      largest = Math.max(largest, numbers[i]);
    }
    int most = (1 << bits) - 1;
    float scale = (largest - least) / most;
    double zero = scale == 0 ? 0 : Math.rint(-least / scale);
    for (int i = from; i < from + size; i++) {
      double code =
          scale == 0 ? 0 : Math.min(most, Math.max(0, Math.rint(numbers[i] / scale) + zero));
      out[i] = (float) (code - zero) * scale;
    }
  }

  /** For people. */
  public String describe() {
    return "int"
        + bits
        + (zeroPoint ? " zero point, " : " absmax, ")
        + switch (share) {
          case TENSOR -> "per tensor";
          case CHANNEL -> "per channel";
          case BLOCK -> "blocks of " + blockSize;
        };
  }
}
