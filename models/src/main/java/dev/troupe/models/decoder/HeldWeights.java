package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.quantisation.FourBits;
import dev.troupe.models.quantisation.HeldLayout;
import dev.troupe.models.quantisation.HeldNumbers;
import dev.troupe.models.quantisation.ScaleNumbers;
import dev.troupe.models.quantisation.StoredBlocks;
import dev.troupe.models.torch.Handle;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which of a base's weights are held in blocks: the matrices of its layers, where any are. Each is
 * one tensor of bytes ({@link HeldLayout}), its rows in the checkpoint's order, so that blocks are
 * those of the checkpoint's tensors.
 */
final class HeldWeights {
  /** In the kernels' order of groups. */
  private static final List<Slot> GROUPS = List.of(Slot.QKV, Slot.OUT, Slot.UP, Slot.DOWN);

  private final ModelConfig config;
  private final Optional<Quantisation> quantisation;

  /** What tensors are read into, one after the other. */
  private float[] room = {};

  HeldWeights(ModelConfig config, Optional<Quantisation> quantisation) {
    this.config = config;
    this.quantisation = quantisation;
  }

  Optional<Quantisation> quantisation() {
    return quantisation;
  }

  boolean holds(StoredWeight weight) {
    return quantisation.isPresent() && isMatrix(weight);
  }

  /** Whether it would be held in blocks, where any are. */
  static boolean isMatrix(StoredWeight weight) {
    return GROUPS.contains(weight.slot());
  }

  /**
   * @throws IllegalArgumentException naming what cannot be held so
   */
  void check() {
    config.weights().stream().filter(this::holds).forEach(this::layout);
  }

  private HeldLayout layout(StoredWeight weight) {
    Quantisation how = quantisation.orElseThrow();
    for (StoredWeight.Part part : weight.parts()) {
      HeldLayout.require(part.name(), weight.shapeOf(part).toArray(), how);
    }
    return HeldLayout.of(
        how, weight.columns(), weight.parts().stream().mapToInt(StoredWeight.Part::rows).toArray());
  }

  long bytes(StoredWeight weight) {
    return layout(weight).bytes();
  }

  /**
   * Reads a weight, one of the checkpoint's tensors in memory at a time; what the checkpoint has in
   * such blocks itself is taken over code by code.
   */
  Handle read(StoredWeight weight, FusedWeights.Source source, HeldNumbers.Mean mean) {
    HeldLayout layout = layout(weight);
    return Handle.bytes(
        bytes -> {
          for (int part = 0; part < layout.parts(); part++) {
            Optional<StoredBlocks> stored =
                source
                    .blocks(weight.parts().get(part).name())
                    .filter(found -> HeldNumbers.takes(layout, found));
            if (stored.isPresent()) {
              HeldNumbers.put(layout, part, bytes, stored.get(), mean);
              continue;
            }
            int numbers = Math.toIntExact(layout.numbers(part));
            if (room.length < numbers) {
              room = new float[numbers];
            }
            FusedWeights.read(weight, weight.parts().get(part), source, room);
            HeldNumbers.put(layout, part, bytes, room, mean);
          }
        },
        layout.bytes());
  }

  /** All are read. */
  void loaded() {
    room = new float[0];
  }

  /** The numbers of a weight, its rows in the kernels' order. */
  float[] floats(StoredWeight weight, byte[] bytes) {
    HeldLayout layout = layout(weight);
    float[] all = new float[Math.toIntExact(weight.elements())];
    int at = 0;
    for (int part = 0; part < layout.parts(); part++) {
      float[] own = HeldNumbers.of(layout, part, ByteBuffer.wrap(bytes));
      System.arraycopy(own, 0, all, at, own.length);
      at += own.length;
    }
    return FusedWeights.reorder(all, FusedWeights.order(config, weight.slot()), true);
  }

  /** Class path names of the kernels' texts for them. */
  List<String> kernelTexts(boolean ofTraining) {
    if (quantisation.isEmpty()) {
      return List.of();
    }
    return ofTraining
        ? List.of("/kernels/storage/blocks.py", "/kernels/storage/blocks_product.py")
        : List.of("/kernels/storage/blocks.py");
  }

  /** What these texts need to know, by attribute name. */
  Map<String, Object> kernelAttributes() {
    Map<String, Object> attributes = new LinkedHashMap<>();
    if (quantisation.isEmpty()) {
      return attributes;
    }
    for (int group = 0; group < GROUPS.size(); group++) {
      attributes.put("held_" + group, layout(config.stored(GROUPS.get(group), 0)).how());
    }
    attributes.put(
        "held_order", Arrays.stream(FusedWeights.order(config, Slot.QKV)).asLongStream().toArray());
    Storage storage = quantisation.orElseThrow().storage();
    attributes.put(
        "code_numbers",
        doubles(storage == Storage.INT8 ? new float[0] : FourBits.numbers(storage)));
    attributes.put("scale_numbers", doubles(ScaleNumbers.numbers()));
    return attributes;
  }

  private static double[] doubles(float[] numbers) {
    double[] all = new double[numbers.length];
    Arrays.setAll(all, i -> numbers[i]);
    return all;
  }
}
