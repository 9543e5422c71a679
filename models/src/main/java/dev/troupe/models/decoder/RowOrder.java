package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.LinearModule;
import java.util.Arrays;
import java.util.Map;

/** Rows of a part of a weight: in the kernels' order, and in the checkpoint's. */
final class RowOrder {
  private final int[] order;

  private RowOrder(int[] order) {
    this.order = order;
  }

  /** Of so many rows from the first on, among those of a slot. */
  static RowOrder of(ModelConfig config, Slot slot, int first, int rows) {
    int[] all = FusedWeights.order(config, slot);
    return new RowOrder(
        all.length == 0
            ? all
            : Arrays.stream(all, first, first + rows).map(row -> row - first).toArray());
  }

  /** Of a linear layer's outputs. */
  static RowOrder of(ModelConfig config, LinearModule module) {
    return switch (module.place()) {
      case Q_PROJ, K_PROJ, V_PROJ -> of(config, Slot.QKV, module.firstRow(), module.outputs());
      default -> new RowOrder(new int[0]);
    };
  }

  /** For each row of the kernels', that of the checkpoint; empty where they are the same. */
  int[] order() {
    return order.clone();
  }

  float[] toKernels(float[] rows) {
    return FusedWeights.reorder(rows, order, true);
  }

  float[] toCheckpoint(float[] rows) {
    return FusedWeights.reorder(rows, order, false);
  }

  /**
   * @throws IllegalArgumentException when there is no such tensor
   */
  static float[] floats(Map<String, TensorData> tensors, String name) {
    TensorData tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("the adapter has no tensor '" + name + "'");
    }
    return tensor.floats();
  }
}
