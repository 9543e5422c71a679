package dev.troupe.models.quantisation;

import dev.troupe.protocol.data.Quantisation;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/** What lies in the bytes of a weight that is held in blocks. */
public final class HeldNumbers {
  /** Numbers that a thread makes codes of at a time; a multiple of every block. */
  private static final int PIECE = 1 << 18;

  /** The mean of numbers, as the caller adds them up. */
  public interface Mean {
    /** Of all of them. */
    float of(float[] numbers);
  }

  private HeldNumbers() {}

  /**
   * Writes one tensor of a weight.
   *
   * @param bytes the weight's, from position 0
   * @param numbers the tensor's, row by row, and perhaps others behind; finite
   * @param mean of scales, for double quantisation
   */
  public static void put(
      HeldLayout layout, int part, ByteBuffer bytes, float[] numbers, Mean mean) {
    Quantisation how = layout.quantisation();
    int count = Math.toIntExact(layout.numbers(part));
    float[] scales = new float[layout.blocks(part)];
    int codes = Math.toIntExact(layout.codes(part));
    IntStream.range(0, (count + PIECE - 1) / PIECE)
        .parallel()
        .forEach(
            piece -> {
              int from = piece * PIECE;
              Blocks.quantise(
                  how,
                  numbers,
                  from,
                  Math.min(PIECE, count - from),
                  bytes,
                  codes + Math.toIntExact(how.storage().bytes(from)),
                  scales,
                  from / how.blockSize());
            });
    putScales(layout, part, bytes, scales, mean);
  }

  /** Writes the scales of one tensor of a weight. */
  static void putScales(HeldLayout layout, int part, ByteBuffer bytes, float[] scales, Mean mean) {
    ByteBuffer target = little(bytes);
    int at = Math.toIntExact(layout.scales(part));
    if (!layout.quantisation().doubleQuantisation()) {
      for (int i = 0; i < scales.length; i++) {
        target.putFloat(at + Float.BYTES * i, scales[i]);
      }
      return;
    }
    HeldScales held = HeldScales.of(scales, mean);
    target.put(at, held.codes());
    int groups = Math.toIntExact(layout.groupScales(part));
    for (int i = 0; i < held.groups().length; i++) {
      target.putFloat(groups + Float.BYTES * i, held.groups()[i]);
    }
    target.putFloat(Math.toIntExact(layout.offset(part)), held.offset());
  }

  /** The scales of one tensor of a weight, as products take them. */
  public static float[] scales(HeldLayout layout, int part, ByteBuffer bytes) {
    ByteBuffer source = little(bytes);
    int at = Math.toIntExact(layout.scales(part));
    float[] scales = new float[layout.blocks(part)];
    if (!layout.quantisation().doubleQuantisation()) {
      for (int i = 0; i < scales.length; i++) {
        scales[i] = source.getFloat(at + Float.BYTES * i);
      }
      return scales;
    }
    byte[] codes = new byte[scales.length];
    source.get(at, codes);
    float[] groups = new float[HeldLayout.groups(codes.length)];
    int from = Math.toIntExact(layout.groupScales(part));
    for (int i = 0; i < groups.length; i++) {
      groups[i] = source.getFloat(from + Float.BYTES * i);
    }
    return new HeldScales(codes, groups, source.getFloat(Math.toIntExact(layout.offset(part))))
        .numbers();
  }

  /** The numbers of one tensor of a weight, row by row. */
  public static float[] of(HeldLayout layout, int part, ByteBuffer bytes) {
    float[] numbers = new float[Math.toIntExact(layout.numbers(part))];
    Blocks.numbers(
        layout.quantisation(),
        bytes,
        Math.toIntExact(layout.codes(part)),
        scales(layout, part, bytes),
        numbers);
    return numbers;
  }

  private static ByteBuffer little(ByteBuffer bytes) {
    return bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
  }
}
