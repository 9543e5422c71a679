package dev.troupe.models.checkpoint;

import java.nio.FloatBuffer;

/**
 * Numbers to write as one tensor.
 *
 * @param shape the tensor's shape
 * @param values exactly as many remaining numbers as the shape has, row by row; read without moving
 *     the buffer's position
 */
public record TensorData(Shape shape, FloatBuffer values) {
  public TensorData {
    values = values.slice();
    if (values.remaining() != shape.elements()) {
      throw new IllegalArgumentException(
          "shape "
              + shape
              + " has "
              + shape.elements()
              + " numbers, but "
              + values.remaining()
              + " were given");
    }
  }

  /** A copy of the numbers. */
  public float[] floats() {
    float[] out = new float[values.remaining()];
    values.duplicate().get(out);
    return out;
  }

  public static TensorData of(float[] values, long... shape) {
    return new TensorData(Shape.of(shape), FloatBuffer.wrap(values));
  }
}
