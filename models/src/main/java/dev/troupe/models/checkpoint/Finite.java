package dev.troupe.models.checkpoint;

import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The rule that a weight is a number: one NaN in a base makes every loss NaN, and no update of a
 * run on it would ever be applied.
 */
public final class Finite {
  private static final int CHUNK = 8192;

  private Finite() {}

  /**
   * Checks the numbers that were read of a tensor; well below a second for a billion on one core.
   *
   * @param file where it lies, for the message
   * @param numbers all of the tensor's from the position on, which stays
   * @throws CheckpointException naming the tensor, the place of its first NaN or infinity, and how
   *     many there are
   */
  public static void check(Path file, String name, Shape shape, FloatBuffer numbers) {
    FloatBuffer rest = numbers.duplicate();
    float[] chunk = new float[Math.min(CHUNK, rest.remaining())];
    while (rest.hasRemaining()) {
      int count = Math.min(chunk.length, rest.remaining());
      rest.get(chunk, 0, count);
      if (!allFinite(chunk, count)) {
        throw refusal(file, name, shape, numbers);
      }
    }
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

  private static CheckpointException refusal(
      Path file, String name, Shape shape, FloatBuffer numbers) {
    int first = -1;
    int count = 0;
    for (int i = 0; i < numbers.remaining(); i++) {
      if (!Float.isFinite(numbers.get(numbers.position() + i))) {
        first = first < 0 ? i : first;
        count++;
      }
    }
    return new CheckpointException(
        file
            + ": tensor '"
            + name
            + "' holds "
            + spoken(numbers.get(numbers.position() + first))
            + " at "
            + place(shape, first)
            + (count > 1 ? ", the first of " + count + " of its numbers that are not finite" : "")
            + ". Nothing can be computed or trained with it: take a copy that is sound, or mend it where it was made.");
  }

  private static String spoken(float value) {
    return Float.isNaN(value) ? "NaN" : value > 0 ? "an infinity" : "a negative infinity";
  }

  /** The index in each dimension. */
  private static String place(Shape shape, int index) {
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
