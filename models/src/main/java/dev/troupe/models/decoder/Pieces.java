package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.checkpoint.TensorData;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * One kind of trained parameters: where they lie in the flat buffer, and what they are in files.
 */
interface Pieces {
  /** Numbers of each of its pieces, which lie one behind the other. */
  List<Long> sizes();

  /** What the kernels need to know, by attribute name. */
  Map<String, Object> attributes();

  /** Sets values to start training from, where they do not come from the base. */
  void initialise(float[] flat, Random random);

  /** Sets values that start as the base has them. */
  void takeFromBase(float[] flat, BaseModel base);

  /** Adds its tensors, as an adapter has them. */
  void put(float[] flat, Map<String, TensorData> tensors);

  /** Takes its numbers from an adapter's tensors. */
  void take(float[] flat, Map<String, TensorData> tensors);

  /** Whether it changes one of the kernels' weights. */
  boolean changes(StoredWeight weight);
}
