package dev.troupe.models.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The rule that a weight is a number, applied to one tensor piece by piece: one NaN in a base makes
 * every loss NaN, and no update of a run on it would ever be applied.
 */
public final class Finite {
  private static final int CHUNK = 8192;

  private final Path file;
  private final String name;
  private final Shape shape;
  private long seen;
  private long first = -1;
  private float firstValue;
  private long count;

  /**
   * @param file where the tensor lies, for the message
   */
  public Finite(Path file, String name, Shape shape) {
    this.file = file;
    this.name = name;
    this.shape = shape;
  }

  /**
   * Checks the numbers that were read of a tensor; well below a second for a billion on one core.
   *
   * @param file where it lies, for the message
   * @param numbers all of the tensor's from the position on, which stays
   * @throws CheckpointException naming the tensor, the place of its first NaN or infinity, and how
   *     many there are
   */
  public static void check(Path file, String name, Shape shape, FloatBuffer numbers) {
    Finite finite = new Finite(file, name, shape);
    FloatBuffer rest = numbers.duplicate();
    float[] chunk = new float[Math.min(CHUNK, rest.remaining())];
    while (rest.hasRemaining()) {
      int length = Math.min(chunk.length, rest.remaining());
      rest.get(chunk, 0, length);
      finite.add(chunk, length);
    }
    finite.end();
  }

  /** The next numbers of the tensor. */
  public void add(float[] values, int length) {
    if (!allFinite(values, length)) {
      for (int i = 0; i < length; i++) {
        note(seen + i, values[i]);
      }
    }
    seen += length;
  }

  /**
   * The next numbers as they are stored.
   *
   * @param bytes little-endian, whole numbers; read to their end
   */
  void add(ByteBuffer bytes, DType dtype) {
    ByteBuffer little = bytes.order(ByteOrder.LITTLE_ENDIAN);
    int from = little.position();
    int length = little.remaining() / dtype.bytes();
    boolean sound = allFinite(little.asLongBuffer(), exponents(dtype));
    for (int i = sound ? length - length % (Long.BYTES / dtype.bytes()) : 0; i < length; i++) {
      int at = from + i * dtype.bytes();
      note(
          seen + i,
          switch (dtype) {
            case F32 -> little.getFloat(at);
            case F16 -> DType.fromF16(little.getShort(at));
            case BF16 -> DType.fromBf16(little.getShort(at));
          });
    }
    little.position(little.limit());
    seen += length;
  }

  /**
   * After the last piece.
   *
   * @throws CheckpointException as {@link #check}
   */
  public void end() {
    if (count > 0) {
      throw new CheckpointException(
          file
              + ": tensor '"
              + name
              + "' holds "
              + spoken(firstValue)
              + " at "
              + place(shape, first)
              + (count > 1 ? ", the first of " + count + " of its numbers that are not finite" : "")
              + ". Nothing can be computed or trained with it: take a copy that is sound, or mend it where it was made.");
    }
  }

  private void note(long index, float value) {
    if (!Float.isFinite(value)) {
      if (count == 0) {
        first = index;
        firstValue = value;
      }
      count++;
    }
  }

  /** The bits of the exponent in every number of a long; all are set where it is not finite. */
  private static long exponents(DType dtype) {
    return switch (dtype) {
      case F32 -> 0x7f800000_7f800000L;
      case F16 -> 0x7c007c00_7c007c00L;
      case BF16 -> 0x7f807f80_7f807f80L;
    };
  }

  /**
   * Several numbers at a time: one more in the lowest bit of an exponent carries into the place of
   * the sign, which was cleared, where all of its bits are set.
   */
  private static boolean allFinite(LongBuffer numbers, long exponents) {
    long ones = exponents & ~(exponents << 1);
    long signs = (exponents << 1) & ~exponents;
    long[] chunk = new long[Math.min(CHUNK, numbers.remaining())];
    long carried = 0;
    while (numbers.hasRemaining()) {
      int length = Math.min(chunk.length, numbers.remaining());
      numbers.get(chunk, 0, length);
      for (int i = 0; i < length; i++) {
        carried |= (chunk[i] & exponents) + ones;
      }
    }
    return (carried & signs) == 0;
  }

  /** Four sums, which need not wait for one another; 0 times what is not finite is NaN. */
  private static boolean allFinite(float[] values, int count) {
    float a = 0;
    float b = 0;
    float c = 0;
    float d = 0;
    int i = 0;
    for (; i + 3 < count; i += 4) {
      a += values[i] * 0f;
      b += values[i + 1] * 0f;
      c += values[i + 2] * 0f;
      d += values[i + 3] * 0f;
    }
    for (; i < count; i++) {
      a += values[i] * 0f;
    }
    return a + b + c + d == 0;
  }

  private static String spoken(float value) {
    return Float.isNaN(value) ? "NaN" : value > 0 ? "an infinity" : "a negative infinity";
  }

  /** The index in each dimension. */
  private static String place(Shape shape, long index) {
    long[] place = new long[shape.dimensions().size()];
    long left = index;
    for (int i = place.length - 1; i >= 0; i--) {
      place[i] = left % shape.dimensions().get(i);
      left /= shape.dimensions().get(i);
    }
    return Arrays.stream(place)
        .mapToObj(Long::toString)
        .collect(Collectors.joining(", ", "[", "]"));
  }
}
