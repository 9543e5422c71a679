package dev.troupe.models.quantisation;

import dev.troupe.protocol.data.Quantisation;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
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
    int count = Math.toIntExact(layout.numbers(part));
    float[] scales = new float[layout.blocks(part)];
    codes(
        layout.quantisation(), numbers, count, bytes, Math.toIntExact(layout.codes(part)), scales);
    putScales(layout, part, bytes, scales, mean);
  }

  private static void codes(
      Quantisation how, float[] numbers, int count, ByteBuffer bytes, int at, float[] scales) {
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
                  at + Math.toIntExact(how.storage().bytes(from)),
                  scales,
                  from / how.blockSize());
            });
  }

  /** A matrix in blocks, as a file has it. */
  public static StoredBlocks quantised(Quantisation how, float[] numbers, Mean mean) {
    ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(how.storage().bytes(numbers.length)));
    float[] scales = new float[numbers.length / how.blockSize()];
    codes(how, numbers, numbers.length, bytes, 0, scales);
    if (!how.doubleQuantisation()) {
      return new StoredBlocks(how.storage(), how.blockSize(), bytes, scales, Optional.empty());
    }
    HeldScales small = HeldScales.of(scales, mean);
    return new StoredBlocks(
        how.storage(), how.blockSize(), bytes, small.numbers(), Optional.of(small));
  }

  /** Whether a tensor of a weight can take over what a file has, code by code. */
  public static boolean takes(HeldLayout layout, StoredBlocks stored) {
    return stored.storage() == layout.quantisation().storage()
        && stored.blockSize() % layout.quantisation().blockSize() == 0;
  }

  /**
   * Writes one tensor of a weight as a file has it: its codes, and its scales, in eight bits where
   * both have them so in blocks of the same size.
   *
   * @param stored of {@link #takes}
   */
  public static void put(
      HeldLayout layout, int part, ByteBuffer bytes, StoredBlocks stored, Mean mean) {
    ByteBuffer codes = stored.codes().duplicate();
    bytes.put(
        Math.toIntExact(layout.codes(part)),
        codes,
        codes.position(),
        Math.toIntExact(layout.quantisation().storage().bytes(layout.numbers(part))));
    int times = stored.blockSize() / layout.quantisation().blockSize();
    if (layout.quantisation().doubleQuantisation()
        && times == 1
        && stored.inEightBits().isPresent()) {
      putScales(layout, part, little(bytes), stored.inEightBits().get());
      return;
    }
    float[] scales = new float[layout.blocks(part)];
    for (int i = 0; i < scales.length; i++) {
      scales[i] = stored.scales()[i / times];
    }
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
    putScales(layout, part, target, HeldScales.of(scales, mean));
  }

  private static void putScales(HeldLayout layout, int part, ByteBuffer target, HeldScales held) {
    target.put(Math.toIntExact(layout.scales(part)), held.codes());
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
