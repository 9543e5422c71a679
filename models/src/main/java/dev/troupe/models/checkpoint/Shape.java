package dev.troupe.models.checkpoint;

import java.util.Arrays;
import java.util.List;

/** The lengths of a tensor's dimensions, slowest first; no dimension means one number. */
public record Shape(List<Long> dimensions) {
  public Shape {
    dimensions = List.copyOf(dimensions);
    for (long dimension : dimensions) {
      if (dimension < 0) {
        throw new IllegalArgumentException("a dimension is negative in " + dimensions);
      }
    }
  }

  public static Shape of(long... dimensions) {
    return new Shape(Arrays.stream(dimensions).boxed().toList());
  }

  /**
   * How many numbers a tensor of this shape has.
   *
   * @throws ArithmeticException when they are more than a {@code long} counts
   */
  public long elements() {
    long product = 1;
    for (long dimension : dimensions) {
      product = Math.multiplyExact(product, dimension);
    }
    return product;
  }

  /** As an array, for APIs that take one. */
  public long[] toArray() {
    return dimensions.stream().mapToLong(Long::longValue).toArray();
  }

  /** The way PyTorch writes it: {@code [8, 16]}. */
  @Override
  public String toString() {
    return dimensions.toString();
  }
}
