package dev.troupe.models.export;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.LowRank;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A checkpoint's tensors with an adapter merged in, in fp32, by Hugging Face name: W + scale · B A.
 * One tensor at a time is in memory.
 */
final class MergedWeights {
  private static final String WEIGHT = ".weight";

  private final Checkpoint checkpoint;
  private final Optional<Adapter> adapter;

  MergedWeights(Checkpoint checkpoint, Optional<Adapter> adapter) {
    this.checkpoint = checkpoint;
    this.adapter = adapter;
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
    if (name.endsWith(WEIGHT)) {
      String module = name.substring(0, name.length() - WEIGHT.length());
      adapter.flatMap(found -> found.pair(module)).ifPresent(pair -> add(values, pair));
    }
    return TensorData.of(values, checkpoint.shape(name).toArray());
  }

  /** Adds scale · B A; sums are double, so that each weight is rounded once. */
  private static void add(float[] weight, LowRank pair) {
    int rank = pair.rank();
    int inputs = pair.inputs();
    IntStream.range(0, pair.outputs())
        .parallel()
        .forEach(
            row -> {
              double[] sums = new double[inputs];
              for (int r = 0; r < rank; r++) {
                double b = pair.b()[row * rank + r];
                int at = r * inputs;
                for (int i = 0; i < inputs; i++) {
                  sums[i] += b * pair.a()[at + i];
                }
              }
              int at = row * inputs;
              for (int i = 0; i < inputs; i++) {
                weight[at + i] = (float) (weight[at + i] + pair.scale() * sums[i]);
              }
            });
  }
}
