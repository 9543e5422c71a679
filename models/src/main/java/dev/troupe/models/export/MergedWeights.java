package dev.troupe.models.export;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.LowRank;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A checkpoint's tensors with an adapter merged in, in fp32, by Hugging Face name: W + scale · B A,
 * with DoRA stretched to its magnitudes, and what the adapter brings whole in place of the base's.
 * One tensor at a time is in memory.
 */
final class MergedWeights {
  private final Checkpoint checkpoint;
  private final Map<String, LowRank> adapted;
  private final Map<String, TensorData> replaced;

  MergedWeights(Checkpoint checkpoint, Optional<Adapter> adapter) {
    this.checkpoint = checkpoint;
    adapted = adapter.map(found -> found.lowRanks(checkpoint.config())).orElse(Map.of());
    replaced = adapter.map(found -> found.whole(checkpoint.config())).orElse(Map.of());
  }

  /** Every tensor's shape, in the order of the network. */
  Map<String, Shape> shapes() {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    checkpoint.names().forEach(name -> shapes.put(name, checkpoint.shape(name)));
    return shapes;
  }

  /** One tensor's numbers with its shape. */
  TensorData tensor(String name) {
    return TensorData.of(floats(name), checkpoint.shape(name).toArray());
  }

  /** One tensor's numbers, for the caller to keep. */
  float[] floats(String name) {
    TensorData replacement = replaced.get(name);
    if (replacement != null) {
      return replacement.floats();
    }
    float[] values = checkpoint.floats(name);
    LowRank added = adapted.get(name);
    if (added != null) {
      added.mergeInto(values);
    }
    return values;
  }
}
