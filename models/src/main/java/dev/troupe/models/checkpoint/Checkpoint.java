package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import dev.troupe.models.checkpoint.gguf.GgufTensors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The weights of a Hugging Face directory, memory-mapped: {@code config.json} with {@code
 * model.safetensors}, or with shards and {@code model.safetensors.index.json}. Or those of a GGUF
 * file, under their Hugging Face names and in float32.
 *
 * <p>Opening accounts for every tensor: one that is missing, one that the model does not know and
 * one of another shape are errors that name it. Three things are let through on purpose: old
 * checkpoints' buffers of rotary frequencies and causal masks, which are recomputed; an output
 * matrix equal to the embedding that it is tied to; and names without the network's prefix ({@code
 * wte.weight} for {@code transformer.wte.weight}), as those of GPT-2 and BLOOM on the hub are.
 */
public final class Checkpoint implements AutoCloseable {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";

  /** Rotary frequencies and causal masks of old checkpoints. */
  private static final Pattern RECOMPUTED =
      Pattern.compile(
          "model\\.(layers\\.\\d+\\.self_attn\\.)?rotary_emb\\.inv_freq"
              + "|transformer\\.h\\.\\d+\\.attn\\.(masked_)?bias"
              + "|gpt_neox\\.layers\\.\\d+\\.attention\\.(rotary_emb\\.inv_freq|(masked_)?bias)");

  private static final Pattern PICKLE = Pattern.compile(".*\\.(bin|pt|pth|ckpt|pkl)");

  private final Path directory;
  private final ModelConfig config;
  private final ObjectNode configJson;
  private final List<TensorFile> files;
  private final Map<String, Place> tensors;

  /** Where a tensor is, and its name there. */
  private record Place(TensorFile file, String name) {}

  private Checkpoint(
      Path directory,
      ModelConfig config,
      ObjectNode configJson,
      List<TensorFile> files,
      Map<String, Place> tensors) {
    this.directory = directory;
    this.config = config;
    this.configJson = configJson;
    this.files = files;
    this.tensors = tensors;
  }

  /**
   * Opens and checks a directory.
   *
   * @throws CheckpointException when anything is missing, malformed or does not fit together
   */
  public static Checkpoint open(Path directory) {
    if (!Files.isDirectory(directory) && !ModelConfig.isGguf(directory)) {
      throw new CheckpointException(
          directory
              + " is not a directory. Expected a Hugging Face model (config.json, safetensors and tokenizer.json) or a .gguf file.");
    }
    List<TensorFile> files = new ArrayList<>();
    boolean opened = false;
    try {
      ObjectNode json = ModelConfig.json(directory);
      ModelConfig config = ModelConfig.of(json, directory);
      Map<String, TensorFile> found =
          ModelConfig.isGguf(directory) ? gguf(directory, config, files) : locate(directory, files);
      Map<String, Place> tensors = account(directory, config, prefixed(config, found));
      opened = true;
      return new Checkpoint(directory, config, json, files, tensors);
    } finally {
      if (!opened) {
        files.forEach(TensorFile::close);
      }
    }
  }

  private static Map<String, TensorFile> gguf(
      Path path, ModelConfig config, List<TensorFile> files) {
    GgufTensors file = new GgufTensors(GgufFile.open(path), config);
    files.add(file);
    Map<String, TensorFile> found = new LinkedHashMap<>();
    file.names().forEach(name -> found.put(name, file));
    return found;
  }

  private static Map<String, TensorFile> locate(Path directory, List<TensorFile> files) {
    Path single = directory.resolve(SINGLE);
    Path index = directory.resolve(INDEX);
    Map<String, TensorFile> found = new LinkedHashMap<>();
    if (Files.exists(single)) {
      SafetensorsFile file = SafetensorsFile.open(single);
      files.add(file);
      file.names().forEach(name -> found.put(name, file));
    } else if (Files.exists(index)) {
      locateShards(directory, index, files, found);
    } else {
      throw noWeights(directory);
    }
    return found;
  }

  private static void locateShards(
      Path directory, Path index, List<TensorFile> files, Map<String, TensorFile> found) {
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
      SafetensorsFile file = SafetensorsFile.open(path);
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

  /** By the names of the whole model, where the files leave out its network's prefix. */
  private static Map<String, Place> prefixed(ModelConfig config, Map<String, TensorFile> found) {
    String embedding = embedding(config);
    String prefix = embedding.substring(0, embedding.indexOf('.') + 1);
    boolean bare =
        !found.containsKey(embedding) && found.containsKey(embedding.substring(prefix.length()));
    Map<String, Place> places = new LinkedHashMap<>();
    found.forEach(
        (name, file) ->
            places.put(
                bare && !name.equals(head(config)) ? prefix + name : name, new Place(file, name)));
    return places;
  }

  private static String embedding(ModelConfig config) {
    return config.decoder().names().embed() + ".weight";
  }

  private static String head(ModelConfig config) {
    return config.decoder().names().head() + ".weight";
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
              } else if (!shape(place).equals(shape)) {
                problems.add(
                    "tensor '"
                        + name
                        + "' in "
                        + place.file().path().getFileName()
                        + " has shape "
                        + shape(place)
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
    if (config.tiedEmbeddings()
        && extra.remove(head(config))
        && tensors.containsKey(embedding(config))) {
      checkTied(config, found.get(head(config)), tensors.get(embedding(config)), problems);
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

  private static Shape shape(Place place) {
    return place.file().shape(place.name());
  }

  private static String hint(ModelConfig config, String name) {
    return name.equals(head(config))
        ? " (it may be absent only when config.json says tie_word_embeddings: true)"
        : "";
  }

  private static void checkTied(
      ModelConfig config, Place head, Place embedding, List<String> problems) {
    boolean same =
        shape(head).equals(shape(embedding))
            && head.file().dtype(head.name()) == embedding.file().dtype(embedding.name())
            && head.file().bytes(head.name()).equals(embedding.file().bytes(embedding.name()));
    if (!same) {
      problems.add(
          "the output matrix is tied to the embedding (tie_word_embeddings), but tensor '"
              + head(config)
              + "' in "
              + head.file().path().getFileName()
              + " differs from '"
              + embedding(config)
              + "'");
    }
  }

  public Path directory() {
    return directory;
  }

  public ModelConfig config() {
    return config;
  }

  /** The whole {@code config.json}, for copying on: keys that are not understood stay. */
  public ObjectNode configJson() {
    return configJson.deepCopy();
  }

  /**
   * The tensors' Hugging Face names in the order of the network; without {@code lm_head.weight}
   * when it is tied.
   */
  public Set<String> names() {
    return Collections.unmodifiableSet(tensors.keySet());
  }

  public Shape shape(String name) {
    return shape(place(name));
  }

  public DType dtype(String name) {
    Place place = place(name);
    return place.file().dtype(place.name());
  }

  /** The tensor's bytes, mapped read-only, little-endian, from position 0. */
  public ByteBuffer bytes(String name) {
    Place place = place(name);
    return place.file().bytes(place.name());
  }

  /** The tensor's numbers, widened to float, row by row. */
  public float[] floats(String name) {
    Place place = place(name);
    return place.file().floats(place.name());
  }

  /** Puts the tensor's numbers, widened to float, at the target's position and moves it on. */
  public void read(String name, FloatBuffer target) {
    Place place = place(name);
    place.file().read(place.name(), target);
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
    files.forEach(TensorFile::close);
  }
}
