package dev.troupe.models.checkpoint;

import java.util.List;

/**
 * One of the kernels' weights and how a checkpoint stores it.
 *
 * @param layer it belongs to; 0 for those of the whole network
 * @param parts the tensors whose rows, one after the other, are its own, up to their order; none
 *     where the family lacks it, where it is tied or computed
 * @param columns 0 for a vector
 * @param transposed whether the tensors are stored (columns, rows)
 */
public record StoredWeight(
    Slot slot, int layer, List<Part> parts, int columns, boolean transposed) {
  /** A tensor by its Hugging Face name, and how many rows of the weight it holds. */
  public record Part(String name, int rows) {}

  public StoredWeight {
    parts = List.copyOf(parts);
  }

  public int rows() {
    return parts.stream().mapToInt(Part::rows).sum();
  }

  /** As the kernels hold it. */
  public long[] shape() {
    return columns == 0 ? new long[] {rows()} : new long[] {rows(), columns};
  }

  public long elements() {
    return (long) rows() * Math.max(1, columns);
  }

  /** As the checkpoint holds a part. */
  public Shape shapeOf(Part part) {
    if (columns == 0) {
      return Shape.of(part.rows());
    }
    return transposed ? Shape.of(columns, part.rows()) : Shape.of(part.rows(), columns);
  }

  /** (n, m) to (m, n). */
  public static float[] transpose(float[] values, int n, int m) {
    float[] out = new float[values.length];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < m; j++) {
        out[j * n + i] = values[i * m + j];
      }
    }
    return out;
  }
}
