package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.WeightFiles.Place;
import dev.troupe.models.quantisation.StoredBlocks;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.regex.Pattern;

/**
 * The weights of a Hugging Face directory, memory-mapped: {@code config.json} with {@code
 * model.safetensors}, or with shards and {@code model.safetensors.index.json}. Or those of a GGUF
 * file, under their Hugging Face names and in float32.
 *
 * <p>Opening accounts for every tensor: one that is missing, one that the model does not know and
 * one of another shape are errors that name it. Let through on purpose are old checkpoints' buffers
 * of rotary frequencies and causal masks, which are recomputed; an output matrix equal to the
 * embedding that it is tied to; and what {@link WeightFiles} knows by another name.
 */
public final class Checkpoint implements AutoCloseable {
  /** Rotary frequencies and causal masks of old checkpoints. */
  private static final Pattern RECOMPUTED =
      Pattern.compile(
          "model\\.(layers\\.\\d+\\.self_attn\\.)?rotary_emb\\.inv_freq"
              + "|transformer\\.h\\.\\d+\\.attn\\.(masked_)?bias"
              + "|gpt_neox\\.layers\\.\\d+\\.attention\\.(rotary_emb\\.inv_freq|(masked_)?bias)");

  private final Path directory;
  private final ModelConfig config;
  private final WeightFiles files;
  private final Map<String, Place> tensors;
  private final Optional<Place> score;

  private Checkpoint(
      Path directory,
      ModelConfig config,
      WeightFiles files,
      Map<String, Place> tensors,
      Optional<Place> score) {
    this.directory = directory;
    this.config = config;
    this.files = files;
    this.tensors = tensors;
    this.score = score;
  }

  /**
   * Opens and checks a directory.
   *
   * @throws CheckpointException when anything is missing, malformed or does not fit together
   */
  public static Checkpoint open(Path directory) {
    return open(directory, false);
  }

  /**
   * As {@link #open}, for what gives values and writes no text: it may be a {@link
   * SequenceClassifier} too. Such a one has no output matrix, and its configuration here says that
   * it is tied.
   */
  public static Checkpoint openForValues(Path directory) {
    return open(directory, SequenceClassifier.isIn(directory));
  }

  private static Checkpoint open(Path directory, boolean classifier) {
    ModelPath.requireExisting(directory);
    if (!classifier) {
      SequenceClassifier.refuse(directory);
    }
    PublishedConfig published = PublishedConfig.read(directory);
    ModelConfig config = classifier ? published.config().tied() : published.config();
    WeightFiles files = WeightFiles.open(directory, config, published.multimodal());
    boolean opened = false;
    try {
      Map<String, Place> found = new LinkedHashMap<>(files.places());
      Optional<Place> score =
          classifier
              ? Optional.of(SequenceClassifier.takeScore(directory, config, found))
              : Optional.empty();
      Map<String, Place> tensors = account(directory, config, found);
      opened = true;
      return new Checkpoint(directory, config, files, tensors, score);
    } finally {
      if (!opened) {
        files.close();
      }
    }
  }

  private static Map<String, Place> account(
      Path directory, ModelConfig config, Map<String, Place> found) {
    Map<String, Place> tensors = new LinkedHashMap<>();
    List<String> problems = new ArrayList<>();
    config
        .tensors()
        .forEach(
            (name, shape) -> {
              Place place = found.get(name);
              if (place == null) {
                problems.add(
                    "tensor '" + name + "' of shape " + shape + " is missing" + hint(config, name));
              } else if (!place.shape().equals(shape)) {
                problems.add(
                    "tensor '"
                        + name
                        + "' in "
                        + place.file().path().getFileName()
                        + " has shape "
                        + place.shape()
                        + ", expected "
                        + shape
                        + " from config.json");
              } else {
                tensors.put(name, place);
              }
            });
    Set<String> extra = new LinkedHashSet<>(found.keySet());
    extra.removeAll(config.tensors().keySet());
    extra.removeIf(name -> RECOMPUTED.matcher(name).matches());
    if (config.tiedEmbeddings()) {
      // Equal to the embedding, or the configuration would not say so.
      extra.remove(WeightFiles.head(config));
    }
    for (String name : extra) {
      problems.add(
          "tensor '"
              + name
              + "' in "
              + found.get(name).file().path().getFileName()
              + " does not belong to "
              + config.architecture());
    }
    if (!problems.isEmpty()) {
      int shown = Math.min(8, problems.size());
      throw new CheckpointException(
          directory
              + ": "
              + String.join("; ", problems.subList(0, shown))
              + (shown < problems.size() ? "; and " + (problems.size() - shown) + " more" : "")
              + ".");
    }
    return tensors;
  }

  private static String hint(ModelConfig config, String name) {
    return name.equals(WeightFiles.head(config))
        ? " (it may be absent only when config.json says tie_word_embeddings: true)"
        : "";
  }

  public Path directory() {
    return directory;
  }

  public ModelConfig config() {
    return config;
  }

  /** The whole {@code config.json} of the text model, for copying on. */
  public ObjectNode configJson() {
    return config.source();
  }

  /**
   * The tensors' Hugging Face names in the order of the network; without {@code lm_head.weight}
   * when it is tied.
   */
  public Set<String> names() {
    return Collections.unmodifiableSet(tensors.keySet());
  }

  public Shape shape(String name) {
    return place(name).shape();
  }

  public DType dtype(String name) {
    return place(name).dtype();
  }

  /** The tensor's bytes, mapped read-only, little-endian, from position 0. */
  public ByteBuffer bytes(String name) {
    return place(name).bytes();
  }

  /** The tensor's numbers, widened to float, row by row. */
  public float[] floats(String name) {
    return place(name).floats();
  }

  /** Puts the tensor's numbers, widened to float, at the target's position and moves it on. */
  public void read(String name, FloatBuffer target) {
    place(name).read(target);
  }

  /** Hands a tensor's numbers on, widened to float, in pieces. */
  public void pieces(String name, NumberSink sink) {
    place(name).pieces(sink);
  }

  /**
   * The tensor as a base that is held in blocks can take it over, rows of what multiplies: of a
   * checkpoint that is quantised.
   */
  public Optional<StoredBlocks> blocks(String name) {
    return place(name).blocks();
  }

  /** The score of a {@link SequenceClassifier}, (hidden). */
  public Optional<float[]> score() {
    return score.map(Place::floats);
  }

  /**
   * Looks at every number, a piece of a tensor in memory at a time: those of the model and, of a
   * classifier, of its score.
   *
   * @param read hears of every piece how many bytes of the files it had
   * @throws CheckpointException naming the first tensor that holds a NaN or an infinity
   */
  public void checkFinite(LongConsumer read) {
    tensors.values().forEach(place -> place.checkFinite(read));
    score.ifPresent(place -> place.checkFinite(read));
  }

  private Place place(String name) {
    Place place = tensors.get(name);
    if (place == null) {
      throw new CheckpointException(directory + " has no tensor '" + name + "'.");
    }
    return place;
  }

  /** Closes the files; buffers handed out stay readable until they are collected. */
  @Override
  public void close() {
    files.close();
  }
}
