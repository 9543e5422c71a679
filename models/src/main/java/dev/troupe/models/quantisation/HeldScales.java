package dev.troupe.models.quantisation;

/**
 * Scales of blocks that are held in eight bits (double quantisation): what is left of each when
 * their mean is taken off, in blocks of {@value HeldLayout#GROUP}, by the numbers of {@link
 * ScaleNumbers}.
 *
 * @param codes one a scale
 * @param groups the scale of each block of them
 * @param offset their mean
 */
public record HeldScales(byte[] codes, float[] groups, float offset) {
  /** Scales that share a scale of their own. */
  public static final int GROUP = HeldLayout.GROUP;

  static HeldScales of(float[] scales, HeldNumbers.Mean mean) {
    float offset = mean.of(scales);
    byte[] codes = new byte[scales.length];
    float[] groups = new float[HeldLayout.groups(scales.length)];
    for (int group = 0; group < groups.length; group++) {
      int from = group * HeldLayout.GROUP;
      int to = Math.min(from + HeldLayout.GROUP, scales.length);
      float largest = 0;
      for (int i = from; i < to; i++) {
        largest = Math.max(largest, Math.abs(scales[i] - offset));
      }
      groups[group] = largest;
      float by = largest == 0 ? 0 : 1 / largest;
      for (int i = from; i < to; i++) {
        codes[i] = (byte) ScaleNumbers.CODES.code((scales[i] - offset) * by);
      }
    }
    return new HeldScales(codes, groups, offset);
  }

  /** The scales as they come out again. */
  float[] numbers() {
    return numbers(ScaleNumbers.TABLE);
  }

  /**
   * The same by other numbers.
   *
   * @param table by code, 256 of them
   */
  public float[] numbers(float[] table) {
    float[] numbers = new float[codes.length];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = table[codes[i] & 0xff] * groups[i / HeldLayout.GROUP] + offset;
    }
    return numbers;
  }
}
