package dev.troupe.models.quantisation;

import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.nio.ByteBuffer;

/**
 * Numbers made codes and scales, block by block, and made numbers again. Codes and scales of NF4
 * and FP4 are those of bitsandbytes, bit for bit; a byte holds two codes, the first above.
 */
public final class Blocks {
  private static final float LARGEST = 127;

  private Blocks() {}

  /**
   * Codes of whole blocks.
   *
   * @param numbers from {@code from} on, {@code count} of them, finite
   * @param codes gets them from position {@code at} on; its own position does not count
   * @param scales gets one for each block, from {@code scale} on
   */
  public static void quantise(
      Quantisation how,
      float[] numbers,
      int from,
      int count,
      ByteBuffer codes,
      int at,
      float[] scales,
      int scale) {
    int size = how.blockSize();
    if (count % size != 0) {
      throw new IllegalArgumentException(count + " numbers are no multiple of a block of " + size);
    }
    for (int block = 0; block < count / size; block++) {
      int first = from + block * size;
      float largest = 0;
      for (int i = first; i < first + size; i++) {
        largest = Math.max(largest, Math.abs(numbers[i]));
      }
      if (how.storage() == Storage.INT8) {
        scales[scale + block] = largest / LARGEST;
        bytes(numbers, first, size, largest, codes, at + block * size);
      } else {
        scales[scale + block] = largest;
        nibbles(
            FourBits.codes(how.storage()),
            numbers,
            first,
            size,
            largest == 0 ? 0 : 1 / largest,
            codes,
            at + block * size / 2);
      }
    }
  }

  private static void bytes(
      float[] numbers, int first, int size, float largest, ByteBuffer codes, int at) {
    float by = largest == 0 ? 0 : LARGEST / largest;
    for (int i = 0; i < size; i++) {
      codes.put(at + i, (byte) Math.rint(numbers[first + i] * by));
    }
  }

  private static void nibbles(
      Codebook book, float[] numbers, int first, int size, float by, ByteBuffer codes, int at) {
    for (int i = 0; i < size; i += 2) {
      int high = book.code(numbers[first + i] * by);
      int low = book.code(numbers[first + i + 1] * by);
      codes.put(at + i / 2, (byte) (high << 4 | low));
    }
  }

  /**
   * The numbers of whole blocks, each code's times its block's scale.
   *
   * @param at where the codes begin in {@code codes}
   */
  public static void numbers(
      Quantisation how, ByteBuffer codes, int at, float[] scales, float[] numbers) {
    if (how.storage() != Storage.INT8) {
      numbers(FourBits.table(how.storage()), how.blockSize(), codes, at, scales, numbers);
      return;
    }
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = codes.get(at + i) * scales[i / how.blockSize()];
    }
  }

  /**
   * The same of codes of four bits that stand for any sixteen numbers.
   *
   * @param table the numbers by code
   */
  public static void numbers(
      float[] table, int blockSize, ByteBuffer codes, int at, float[] scales, float[] numbers) {
    for (int i = 0; i < numbers.length; i++) {
      int both = codes.get(at + i / 2);
      numbers[i] = table[i % 2 == 0 ? both >> 4 & 15 : both & 15] * scales[i / blockSize];
    }
  }
}
