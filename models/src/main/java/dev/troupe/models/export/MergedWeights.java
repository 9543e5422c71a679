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
 * A checkpoint's tensors with an adapter merged in, in fp32, by Hugging Face name: W + scale · B A.
 * One tensor at a time is in memory.
 */
final class MergedWeights {
  private final Checkpoint checkpoint;
  private final Map<String, LowRank> adapted;

  MergedWeights(Checkpoint checkpoint, Optional<Adapter> adapter) {
    this.checkpoint = checkpoint;
    adapted = adapter.map(found -> found.lowRanks(checkpoint.config())).orElse(Map.of());
  }

  /** Every tensor's shape, in the order of the network. */
  Map<String, Shape> shapes() {
    Map<String, Shape> shapes = new LinkedHashMap<>();
    checkpoint.names().forEach(name -> shapes.put(name, checkpoint.shape(name)));
    return shapes;
  }

  /** One tensor's numbers. */
  TensorData tensor(String name) {
    float[] values = checkpoint.floats(name);
    LowRank added = adapted.get(name);
    if (added != null) {
      added.mergeInto(values);
    }
    return TensorData.of(values, checkpoint.shape(name).toArray());
  }
}
