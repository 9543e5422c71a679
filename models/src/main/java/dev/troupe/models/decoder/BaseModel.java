package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.torch.Handle;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.BiConsumer;

/**
 * The frozen float32 weights of one checkpoint, shared by every role that stands on it. Never
 * written to after loading.
 */
public final class BaseModel implements AutoCloseable {
  private final ModelConfig config;
  private final List<Handle> tensors;
  private final Handle weights;
  private long count;

  private BaseModel(ModelConfig config, BiConsumer<String, FloatBuffer> source) {
    this.config = config;
    tensors = new ArrayList<>();
    try {
      FusedWeights.fuse(config, source, this::take);
      weights = Handle.ofTensors(tensors);
    } catch (RuntimeException | Error e) {
      closeTensors();
      throw e;
    }
  }

  private void take(FusedWeights.Weight weight) {
    if (isTiedHead(tensors.size())) {
      tensors.add(tensors.get(0));
    } else {
      tensors.add(Handle.filled(weight.source(), weight.shape()));
      count += Shape.of(weight.shape()).elements();
    }
  }

  private boolean isTiedHead(int index) {
    return index == 2 && config.tiedEmbeddings();
  }

  /**
   * Loads a Hugging Face directory.
   *
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is wrong with it
   */
  public static BaseModel load(Path directory) {
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      return new BaseModel(checkpoint.config(), checkpoint::read);
    }
  }

  /**
   * Fresh weights: normal with deviation 0.02, projections into the residual stream divided by
   * sqrt(2 layers) (GPT-2).
   */
  public static BaseModel random(ModelConfig config, long seed) {
    Map<String, float[]> tensors = randomTensors(config, seed);
    return new BaseModel(
        config, (name, target) -> target.put(Objects.requireNonNull(tensors.get(name), name)));
  }

  /** The tensors of {@link #random} by Hugging Face name. */
  public static Map<String, float[]> randomTensors(ModelConfig config, long seed) {
    Random random = new Random(seed);
    Map<String, float[]> tensors = new HashMap<>();
    Map<String, Slot> slots = config.slots();
    for (Map.Entry<String, Shape> entry : config.tensors().entrySet()) {
      Slot slot = slots.get(entry.getKey());
      float[] values = new float[Math.toIntExact(entry.getValue().elements())];
      double deviation = slot.isResidual() ? 0.02 / Math.sqrt(2.0 * config.layers()) : 0.02;
      float gain = config.decoder().norms().plusOne() ? 0 : 1;
      for (int i = 0; i < values.length; i++) {
        values[i] =
            slot.isGain() ? gain : slot.isBias() ? 0 : (float) (deviation * random.nextGaussian());
      }
      tensors.put(entry.getKey(), values);
    }
    return tensors;
  }

  public ModelConfig config() {
    return config;
  }

  /** The kernels' list, in the order of {@link Slot}. */
  public Handle weights() {
    return weights;
  }

  /** The same, one by one; the owner is this model. */
  public List<Handle> tensors() {
    return List.copyOf(tensors);
  }

  /** Native bytes of the weights. */
  public long bytes() {
    return count * Float.BYTES;
  }

  @Override
  public void close() {
    weights.close();
    closeTensors();
  }

  private void closeTensors() {
    for (int i = 0; i < tensors.size(); i++) {
      if (!isTiedHead(i)) {
        tensors.get(i).close();
      }
    }
  }
}
