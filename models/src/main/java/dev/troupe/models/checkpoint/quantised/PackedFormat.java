package dev.troupe.models.checkpoint.quantised;

import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.quantisation.StoredBlocks;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** A way in which checkpoints hold weights that are not there as numbers. */
interface PackedFormat {
  /**
   * A weight of a linear layer.
   *
   * @param name of the weight
   * @param parts the tensors that it is made of
   * @param shape (outputs, inputs)
   * @param numbers makes them, row by row
   * @param stored as it can be taken over, where it can
   */
  record Packed(
      String name,
      List<String> parts,
      Shape shape,
      Supplier<float[]> numbers,
      Optional<Supplier<StoredBlocks>> stored) {}

  /**
   * Those of a checkpoint.
   *
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is missing or wrong
   */
  List<Packed> weights(StoredTensors tensors);
}
