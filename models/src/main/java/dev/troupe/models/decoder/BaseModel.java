package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.NumberSink;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.Slot;
import dev.troupe.models.checkpoint.StoredWeight;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.MergedWeights;
import dev.troupe.models.quantisation.StoredBlocks;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Torch;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/**
 * The frozen weights of one checkpoint, shared by every role that stands on it. Never written to
 * after loading.
 */
public final class BaseModel implements AutoCloseable {
  private static final Set<Slot> MATRICES =
      EnumSet.of(Slot.EMBED, Slot.HEAD, Slot.QKV, Slot.OUT, Slot.UP, Slot.DOWN);

  /** Numbers that are rounded at a time: 4 MiB. */
  private static final int PIECE = 1 << 20;

  private final ModelConfig config;
  private final Storage precision;
  private final HeldWeights held;
  private final KernelModule convert;
  private final List<Handle> tensors;
  private final Handle weights;
  private long bytes;

  private BaseModel(
      ModelConfig config,
      Storage precision,
      Optional<Quantisation> quantisation,
      FusedWeights.Source source) {
    this.config = config;
    this.precision = precision;
    held = new HeldWeights(config, quantisation);
    convert =
        KernelModule.load(
            BaseModel.class,
            "/kernels/convert.py",
            Map.of(),
            Map.of("DEVICE", Torch.device().toString()));
    tensors = new ArrayList<>();
    try {
      for (StoredWeight stored : config.weights()) {
        take(stored, source);
      }
      held.loaded();
      weights = Handle.ofTensors(tensors);
    } catch (RuntimeException | Error e) {
      closeTensors();
      throw e;
    }
  }

  private void take(StoredWeight stored, FusedWeights.Source source) {
    if (isTiedHead(tensors.size())) {
      tensors.add(tensors.get(0));
      return;
    }
    if (held.holds(stored)) {
      tensors.add(held.read(stored, source, this::mean));
      bytes += held.bytes(stored);
      return;
    }
    FusedWeights.Weight weight = FusedWeights.weight(config, stored, source);
    boolean half = precision == Storage.BF16 && isMatrix(tensors.size());
    tensors.add(half ? halves(weight) : exact(weight));
    bytes += Shape.of(weight.shape()).elements() * (half ? Short.BYTES : Float.BYTES);
  }

  private static Handle exact(FusedWeights.Weight weight) {
    return Handle.filled(
        own -> weight.source().accept((numbers, count) -> own.put(numbers, 0, count)),
        weight.shape());
  }

  /** Rounded piece by piece, so that it is never whole in float32. */
  private Handle halves(FusedWeights.Weight weight) {
    Handle halves;
    try (Handle shape = Handle.ofList(weight.shape())) {
      halves = convert.train("halves", shape);
    }
    long[] at = {0};
    try {
      weight
          .source()
          .accept(
              (numbers, count) -> {
                for (int from = 0; from < count; from += PIECE) {
                  int some = Math.min(PIECE, count - from);
                  round(halves, at[0] + from, FloatBuffer.wrap(numbers, from, some));
                }
                at[0] += count;
              });
      return halves;
    } catch (RuntimeException | Error e) {
      halves.close();
      throw e;
    }
  }

  private void round(Handle halves, long at, FloatBuffer numbers) {
    try (Handle from = Handle.of(at);
        Handle exact = Handle.of(numbers, numbers.remaining())) {
      convert.train("round", halves, from, exact).close();
    }
  }

  private float mean(float[] numbers) {
    try (Handle all = Handle.of(numbers, numbers.length);
        Handle mean = convert.infer("mean", all)) {
      return mean.floats()[0];
    }
  }

  private boolean isMatrix(int index) {
    return MATRICES.contains(config.weights().get(index).slot());
  }

  private boolean isTiedHead(int index) {
    return index == 2 && config.tiedEmbeddings();
  }

  /** Native bytes of a base, before it is loaded. */
  public static long bytes(
      ModelConfig config, Storage precision, Optional<Quantisation> quantisation) {
    HeldWeights held = new HeldWeights(config, quantisation);
    long bytes = 0;
    for (StoredWeight weight : config.weights()) {
      if (held.holds(weight)) {
        bytes += held.bytes(weight);
      } else {
        bytes +=
            MATRICES.contains(weight.slot())
                ? precision.bytes(weight.elements())
                : Float.BYTES * weight.elements();
      }
    }
    return bytes;
  }

  /**
   * Checks that a base can be held so, by its configuration.
   *
   * @throws IllegalArgumentException naming what cannot be
   */
  public static void check(ModelConfig config, Optional<Quantisation> quantisation) {
    new HeldWeights(config, quantisation).check();
  }

  /** Numbers of the largest weight that is held in blocks, where any are. */
  public static long largestHeld(ModelConfig config) {
    return config.weights().stream()
        .filter(HeldWeights::isMatrix)
        .mapToLong(StoredWeight::elements)
        .max()
        .orElse(0);
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
    return load(directory, Storage.FP32);
  }

  /**
   * Loads a Hugging Face directory.
   *
   * @param precision of the matrices
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is wrong with it
   */
  public static BaseModel load(Path directory, Storage precision) {
    return load(directory, precision, Optional.empty());
  }

  /**
   * The same with the layers' matrices in blocks.
   *
   * @throws IllegalArgumentException naming what cannot be held so
   */
  public static BaseModel load(
      Path directory, Storage precision, Optional<Quantisation> quantisation) {
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      return new BaseModel(
          checkpoint.config(), precision, quantisation, FusedWeights.Source.of(checkpoint));
    }
  }

  /** As {@link #load}, for what gives values alone: also a sequence classifier of one label. */
  public static BaseModel loadForValues(
      Path directory, Storage precision, Optional<Quantisation> quantisation) {
    try (Checkpoint checkpoint = Checkpoint.openForValues(directory)) {
      return new BaseModel(
          checkpoint.config(), precision, quantisation, FusedWeights.Source.of(checkpoint));
    }
  }

  /**
   * Loads a Hugging Face directory with its output matrix as an adapter changes it.
   *
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is wrong with it
   */
  public static BaseModel load(
      Path directory, Storage precision, Optional<Quantisation> quantisation, Adapter adapter) {
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      MergedWeights weights = MergedWeights.withHead(checkpoint, adapter);
      return new BaseModel(
          weights.config(),
          precision,
          quantisation,
          new FusedWeights.Source() {
            @Override
            public void pieces(String name, NumberSink sink) {
              put(weights.floats(name), sink);
            }

            /** The head is not held in blocks, and nothing else is changed. */
            @Override
            public Optional<StoredBlocks> blocks(String name) {
              return checkpoint.blocks(name);
            }
          });
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
        Storage.FP32,
        Optional.empty(),
        (name, sink) -> put(Objects.requireNonNull(tensors.get(name), name), sink));
  }

  private static void put(float[] numbers, NumberSink sink) {
    sink.put(numbers, numbers.length);
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
    StoredWeight stored = config.weights().get(index);
    if (held.holds(stored)) {
      return held.floats(stored, tensors.get(index).bytes());
    }
    if (precision == Storage.FP32 || !isMatrix(index)) {
      return tensors.get(index).floats();
    }
    try (Handle exact = convert.train("fp32", tensors.get(index))) {
      return exact.floats();
    }
  }

  /** How the layers' matrices are held, where it is in blocks. */
  public Optional<Quantisation> quantisation() {
    return held.quantisation();
  }

  /** Class path names of the texts that kernels need for how these weights are held. */
  public List<String> kernelTexts(boolean ofTraining) {
    return held.kernelTexts(ofTraining);
  }

  /** What the kernels need to know of how these weights are held, by attribute name. */
  public Map<String, Object> kernelAttributes() {
    return held.kernelAttributes();
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
