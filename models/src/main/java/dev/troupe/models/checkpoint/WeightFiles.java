package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import dev.troupe.models.checkpoint.gguf.GgufTensors;
import dev.troupe.models.checkpoint.quantised.QuantisedFiles;
import dev.troupe.models.quantisation.StoredBlocks;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.LongConsumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The tensors that lie in a model's files, by the names that the model's configuration has for
 * them, whatever they are good for. Three things make a name in a file another: names without the
 * network's prefix ({@code wte.weight} for {@code transformer.wte.weight}), as those of GPT-2 and
 * BLOOM on the hub are; the prefixes of a model that also sees images, what sees them left out; and
 * an embedding that is there as the output matrix alone, to which it is tied.
 */
final class WeightFiles implements AutoCloseable {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";

  private static final Pattern PICKLE = Pattern.compile(".*\\.(bin|pt|pth|ckpt|pkl)");

  private final List<TensorFile> files;
  private final Map<String, Place> places;

  /** Where a tensor is, and its name there. */
  record Place(TensorFile file, String name) {
    Shape shape() {
      return file.shape(name);
    }

    DType dtype() {
      return file.dtype(name);
    }

    ByteBuffer bytes() {
      return file.bytes(name);
    }

    void read(FloatBuffer target) {
      int from = target.position();
      file.read(name, target);
      FloatBuffer read = target.duplicate().position(from).limit(target.position());
      Finite.check(file.path(), name, shape(), read);
    }

    void pieces(NumberSink sink) {
      Finite finite = new Finite(file.path(), name, shape());
      file.pieces(
          name,
          (numbers, count) -> {
            finite.add(numbers, count);
            sink.put(numbers, count);
          });
      finite.end();
    }

    Optional<StoredBlocks> blocks() {
      return file.blocks(name);
    }

    float[] floats() {
      float[] values = file.floats(name);
      Finite.check(file.path(), name, shape(), FloatBuffer.wrap(values));
      return values;
    }

    void checkFinite(LongConsumer read) {
      file.checkFinite(name, read);
    }

    boolean sameAs(Place other) {
      return shape().equals(other.shape())
          && dtype() == other.dtype()
          && bytes().equals(other.bytes());
    }
  }

  private WeightFiles(List<TensorFile> files, Map<String, Place> places) {
    this.files = files;
    this.places = places;
  }

  /**
   * Opens them.
   *
   * @param config of the model in the directory or .gguf file
   * @param multimodal whether it also sees images
   * @throws CheckpointException when there are none, or they are malformed
   */
  static WeightFiles open(Path directory, ModelConfig config, boolean multimodal) {
    List<TensorFile> files = new ArrayList<>();
    boolean opened = false;
    try {
      Map<String, TensorFile> found =
          ModelConfig.isGguf(directory)
              ? gguf(directory, config, files)
              : tensors(directory, config, files);
      Map<String, Place> places = named(config, found, multimodal);
      opened = true;
      return new WeightFiles(files, places);
    } finally {
      if (!opened) {
        files.forEach(TensorFile::close);
      }
    }
  }

  /** Whether a directory has weights that can be opened. */
  static boolean areIn(Path directory) {
    return Files.exists(directory.resolve(SINGLE)) || Files.exists(directory.resolve(INDEX));
  }

  private static Map<String, Place> named(
      ModelConfig config, Map<String, TensorFile> found, boolean multimodal) {
    Map<String, Place> places = new LinkedHashMap<>();
    found.forEach(
        (name, file) -> {
          if (multimodal) {
            MultimodalConfig.textName(name)
                .ifPresent(text -> places.put(text, new Place(file, name)));
          } else {
            places.put(name, new Place(file, name));
          }
        });
    Map<String, Place> whole = prefixed(config, places);
    Place head = whole.get(head(config));
    if (config.tiedEmbeddings() && head != null && !whole.containsKey(embedding(config))) {
      whole.remove(head(config));
      whole.put(embedding(config), head);
    }
    return whole;
  }

  /** By the names of the whole model, where the files leave out its network's prefix. */
  private static Map<String, Place> prefixed(ModelConfig config, Map<String, Place> found) {
    String embedding = embedding(config);
    String prefix = embedding.substring(0, embedding.indexOf('.') + 1);
    boolean bare =
        !found.containsKey(embedding) && found.containsKey(embedding.substring(prefix.length()));
    Map<String, Place> places = new LinkedHashMap<>();
    found.forEach(
        (name, place) ->
            places.put(bare && !name.equals(head(config)) ? prefix + name : name, place));
    return places;
  }

  static String embedding(ModelConfig config) {
    return config.decoder().names().embed() + ".weight";
  }

  static String head(ModelConfig config) {
    return config.decoder().names().head() + ".weight";
  }

  /**
   * Whether an output matrix lies beside the embedding and differs from it. Then, as in
   * transformers, it counts, whatever {@code tie_word_embeddings} says.
   */
  boolean hasHeadOfItsOwn(ModelConfig config) {
    Place head = places.get(head(config));
    Place embedding = places.get(embedding(config));
    return head != null && embedding != null && !head.sameAs(embedding);
  }

  /** By the model's names, in the files' order. */
  Map<String, Place> places() {
    return places;
  }

  @Override
  public void close() {
    files.forEach(TensorFile::close);
  }

  private static Map<String, TensorFile> gguf(
      Path path, ModelConfig config, List<TensorFile> files) {
    GgufTensors file = new GgufTensors(GgufFile.open(path), config);
    files.add(file);
    Map<String, TensorFile> found = new LinkedHashMap<>();
    file.names().forEach(name -> found.put(name, file));
    return found;
  }

  private static Map<String, TensorFile> tensors(
      Path directory, ModelConfig config, List<TensorFile> files) {
    JsonNode quantisation = config.source().path(ModelConfig.QUANTISATION);
    boolean quantised = quantisation.isObject();
    Map<String, SafetensorsFile> stored = locate(directory, files, quantised);
    return quantised
        ? QuantisedFiles.tensors(quantisation, stored, config)
        : new LinkedHashMap<>(stored);
  }

  private static SafetensorsFile open(Path path, boolean quantised) {
    return quantised ? SafetensorsFile.openStored(path) : SafetensorsFile.open(path);
  }

  /**
   * @param quantised whether tensors may be of types that are no numbers'
   */
  private static Map<String, SafetensorsFile> locate(
      Path directory, List<TensorFile> files, boolean quantised) {
    Path single = directory.resolve(SINGLE);
    Path index = directory.resolve(INDEX);
    Map<String, SafetensorsFile> found = new LinkedHashMap<>();
    if (Files.exists(single)) {
      SafetensorsFile file = open(single, quantised);
      files.add(file);
      file.names().forEach(name -> found.put(name, file));
    } else if (Files.exists(index)) {
      locateShards(directory, index, files, quantised, found);
    } else {
      throw noWeights(directory);
    }
    return found;
  }

  private static void locateShards(
      Path directory,
      Path index,
      List<TensorFile> files,
      boolean quantised,
      Map<String, SafetensorsFile> found) {
    JsonNode weightMap = JsonFile.read(index).path("weight_map");
    if (!weightMap.isObject() || weightMap.isEmpty()) {
      throw new CheckpointException(
          index + ": expected an object 'weight_map' of tensor name to file, found none.");
    }
    Map<String, String> shardOf = new LinkedHashMap<>();
    weightMap.properties().forEach(entry -> shardOf.put(entry.getKey(), entry.getValue().asText()));
    for (String shard : new TreeSet<>(shardOf.values())) {
      // The index comes with the download: it must not point out of the directory.
      if (shard.isEmpty() || shard.contains("/") || shard.contains("\\") || shard.contains("\0")) {
        throw new CheckpointException(
            index + ": '" + shard + "' is not the name of a file in this directory.");
      }
      Path path = directory.resolve(shard);
      if (!Files.isRegularFile(path)) {
        throw new CheckpointException(
            index
                + " names the shard "
                + shard
                + ", which does not exist in "
                + directory
                + ". Download it again.");
      }
      SafetensorsFile file = open(path, quantised);
      files.add(file);
      for (String name : file.names()) {
        if (!shard.equals(shardOf.get(name))) {
          throw new CheckpointException(
              path
                  + " has the tensor '"
                  + name
                  + "', but "
                  + INDEX
                  + (shardOf.containsKey(name)
                      ? " places it in " + shardOf.get(name)
                      : " does not list it")
                  + ".");
        }
        found.put(name, file);
      }
    }
    for (Map.Entry<String, String> entry : shardOf.entrySet()) {
      if (!found.containsKey(entry.getKey())) {
        throw new CheckpointException(
            index
                + " places the tensor '"
                + entry.getKey()
                + "' in "
                + entry.getValue()
                + ", which does not have it.");
      }
    }
  }

  private static CheckpointException noWeights(Path directory) {
    List<String> pickles;
    try (Stream<Path> entries = Files.list(directory)) {
      pickles =
          entries
              .map(path -> path.getFileName().toString())
              .filter(PICKLE.asMatchPredicate())
              .sorted()
              .toList();
    } catch (IOException e) {
      return new CheckpointException(directory + " cannot be listed: " + e, e);
    }
    if (pickles.isEmpty()) {
      return new CheckpointException(
          directory + " has no weights: expected " + SINGLE + " or " + INDEX + ".");
    }
    return new CheckpointException(
        directory
            + " has its weights only as pickle ("
            + String.join(", ", pickles)
            + "), which is never opened: unpickling a file runs any code that it contains. Convert it where you trust it, for"
            + " example with transformers: model.save_pretrained(directory, safe_serialization=True).");
  }
}
