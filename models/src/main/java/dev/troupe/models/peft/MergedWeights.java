package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A checkpoint's tensors with an adapter merged in, in fp32, by Hugging Face name: changed as its
 * method says, and what the adapter brings whole in place of the base's. One tensor at a time is in
 * memory.
 */
public final class MergedWeights {
  private final Checkpoint checkpoint;
  private final ModelConfig config;
  private final Map<String, WeightChange> adapted;
  private final Map<String, TensorData> replaced;

  private MergedWeights(
      Checkpoint checkpoint,
      ModelConfig config,
      Map<String, WeightChange> adapted,
      Map<String, TensorData> replaced) {
    this.checkpoint = checkpoint;
    this.config = config;
    this.adapted = adapted;
    this.replaced = replaced;
  }

  /** With all that the adapter changes, if there is one. */
  public static MergedWeights of(Checkpoint checkpoint, Optional<Adapter> adapter) {
    ModelConfig base = checkpoint.config();
    if (adapter.isEmpty()) {
      return new MergedWeights(checkpoint, base, Map.of(), Map.of());
    }
    Adapter found = adapter.get();
    if (!found.config().method().merges()) {
      throw new CheckpointException(
          "An adapter of "
              + found.config().method().type()
              + " cannot be merged into "
              + checkpoint.directory()
              + ": it changes no weight, but puts "
              + found.config().method().describe()
              + " before every text. Use the adapter as it is; PEFT loads its directory.");
    }
    return new MergedWeights(
        checkpoint, found.config().merged(base), found.changes(base), found.whole(base));
  }

  /**
   * With the output matrix as the adapter changes it: what a base shared by several roles cannot
   * have, since the rest of an adapter is run beside the base.
   */
  public static MergedWeights withHead(Checkpoint checkpoint, Adapter adapter) {
    ModelConfig base = checkpoint.config();
    return new MergedWeights(
        checkpoint,
        adapter.config().merged(base),
        adapter.changesOfHead(base),
        adapter.wholeHead(base));
  }

  /** The merged model's: where the output matrix is adapted, it is no longer the embedding. */
  public ModelConfig config() {
    return config;
  }

  /** Every tensor's shape, in the order of the network. */
  public Map<String, Shape> shapes() {
    return config.tensors();
  }

  /** One tensor's numbers with its shape. */
  public TensorData tensor(String name) {
    return TensorData.of(
        floats(name), Objects.requireNonNull(config.tensors().get(name), name).toArray());
  }

  /** One tensor's numbers, for the caller to keep. */
  public float[] floats(String name) {
    float[] values = own(name);
    WeightChange added = adapted.get(name);
    if (added != null) {
      added.mergeInto(values);
    }
    return values;
  }

  private float[] own(String name) {
    boolean split = checkpoint.config().tiedEmbeddings() && !checkpoint.names().contains(name);
    TensorData replacement = replaced.get(name);
    if (replacement == null) {
      return checkpoint.floats(split ? embedding() : name);
    }
    float[] values = replacement.floats();
    if (split && !Arrays.equals(values, checkpoint.floats(embedding()))) {
      throw new CheckpointException(
          "The adapter brings an output matrix of its own for "
              + checkpoint.directory()
              + ", whose output matrix is its embedding (tie_word_embeddings); both would change. Train it on this base again.");
    }
    return values;
  }

  private String embedding() {
    return config.decoder().names().embed() + ".weight";
  }
}
