package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.MergedWeights;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * The frozen weights of one checkpoint, shared by every role that stands on it. Never written to
 * after loading.
 */
public final class BaseModel implements AutoCloseable {
  private static final Set<Slot> MATRICES =
      EnumSet.of(Slot.EMBED, Slot.HEAD, Slot.QKV, Slot.OUT, Slot.UP, Slot.DOWN);

  private final ModelConfig config;
  private final Precision precision;
  private final KernelModule convert;
  private final List<Handle> tensors;
  private final Handle weights;
  private long bytes;

  private BaseModel(
      ModelConfig config, Precision precision, BiConsumer<String, FloatBuffer> source) {
    this.config = config;
    this.precision = precision;
    convert = KernelModule.load(BaseModel.class, "/kernels/convert.py", Map.of(), Map.of());
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
      boolean half = precision == Precision.BF16 && isMatrix(tensors.size());
      Handle exact = Handle.filled(weight.source(), weight.shape());
      tensors.add(half ? rounded(exact) : exact);
      bytes += Shape.of(weight.shape()).elements() * (half ? precision.bytes() : Float.BYTES);
    }
  }

  private Handle rounded(Handle exact) {
    try (exact) {
      return convert.train("bf16", exact);
    }
  }

  private boolean isMatrix(int index) {
    return MATRICES.contains(config.weights().get(index).slot());
  }

  private boolean isTiedHead(int index) {
    return index == 2 && config.tiedEmbeddings();
  }

  /** Native bytes of a base, before it is loaded. */
  public static long bytes(ModelConfig config, Precision precision) {
    long bytes = 0;
    for (StoredWeight weight : config.weights()) {
      bytes +=
          weight.elements() * (MATRICES.contains(weight.slot()) ? precision.bytes() : Float.BYTES);
    }
    return bytes;
  }

  /** Positions whose logits exist at once while a lane trains or scores. */
  public static int logitRows(ModelConfig config) {
    return KernelChoices.logitRows(config);
  }

  /** Positions whose logits a lane keeps at most from the forward pass for the backward one. */
  public static int keptLogitRows(ModelConfig config) {
    return KernelChoices.keptLogitRows(config);
  }

  /**
   * Attention probabilities that a layer keeps for the backward pass, at most, for each token of
   * texts no longer than {@code tokens}.
   */
  public static long keptProbabilities(ModelConfig config, long tokens) {
    return config.heads() * KernelChoices.keptProbabilities(config, tokens);
  }

  /** Loads a Hugging Face directory in float32. */
  public static BaseModel load(Path directory) {
    return load(directory, Precision.FP32);
  }

  /**
   * Loads a Hugging Face directory.
   *
   * @param precision of the matrices
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is wrong with it
   */
  public static BaseModel load(Path directory, Precision precision) {
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      return new BaseModel(checkpoint.config(), precision, checkpoint::read);
    }
  }

  /** As {@link #load}, for what gives values alone: also a sequence classifier of one label. */
  public static BaseModel loadForValues(Path directory, Precision precision) {
    try (Checkpoint checkpoint = Checkpoint.openForValues(directory)) {
      return new BaseModel(checkpoint.config(), precision, checkpoint::read);
    }
  }

  /**
   * Loads a Hugging Face directory with its output matrix as an adapter changes it.
   *
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is wrong with it
   */
  public static BaseModel load(Path directory, Precision precision, Adapter adapter) {
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      MergedWeights weights = MergedWeights.withHead(checkpoint, adapter);
      return new BaseModel(
          weights.config(), precision, (name, target) -> target.put(weights.floats(name)));
    }
  }

  /**
   * Fresh weights: normal with deviation 0.02, projections into the residual stream divided by
   * sqrt(2 layers) (GPT-2).
   */
  public static BaseModel random(ModelConfig config, long seed) {
    Map<String, float[]> tensors = randomTensors(config, seed);
    return new BaseModel(
        config,
        Precision.FP32,
        (name, target) -> target.put(Objects.requireNonNull(tensors.get(name), name)));
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

  /** The numbers of one of these weights, row by row. */
  public float[] floats(int index) {
    if (precision == Precision.FP32 || !isMatrix(index)) {
      return tensors.get(index).floats();
    }
    try (Handle exact = convert.train("fp32", tensors.get(index))) {
      return exact.floats();
    }
  }

  /** Native bytes of the weights. */
  public long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    weights.close();
    closeTensors();
    convert.close();
  }

  private void closeTensors() {
    for (int i = 0; i < tensors.size(); i++) {
      if (!isTiedHead(i)) {
        tensors.get(i).close();
      }
    }
  }
}
