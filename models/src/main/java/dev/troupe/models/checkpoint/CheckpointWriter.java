package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.quantised.BitsAndBytesWeight;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.ToLongFunction;

/**
 * Writes a model as a Hugging Face directory that {@code transformers} loads and {@link Checkpoint}
 * reads back.
 */
public final class CheckpointWriter {
  /** Bytes of a shard when nothing else is asked for: what {@code transformers} uses. */
  public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

  private CheckpointWriter() {}

  /**
   * Writes {@code config.json}, {@code generation_config.json} and the weights, sharded when they
   * are more than {@code maxShardBytes}. The tokenizer's files are the caller's to write or copy.
   *
   * @param directory made when it does not exist
   * @param config of the model; decides which tensors must be given
   * @param tensors exactly the tensors of {@link ModelConfig#tensors()}, written in this map's
   *     order
   * @param dtype how the numbers are stored
   * @param maxShardBytes no file holds more, unless one tensor alone does
   */
  public static void write(
      Path directory,
      ModelConfig config,
      Map<String, TensorData> tensors,
      DType dtype,
      long maxShardBytes) {
    check(config, tensors);
    Map<String, Shape> shapes = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> shapes.put(name, tensor.shape()));
    write(directory, config, shapes, tensors::get, dtype, maxShardBytes);
  }

  /**
   * As above, of a model that need not fit into memory.
   *
   * @param tensors gives the tensors of {@link ModelConfig#tensors()}, asked for one by one
   */
  public static void write(
      Path directory,
      ModelConfig config,
      Function<String, TensorData> tensors,
      DType dtype,
      long maxShardBytes) {
    write(directory, config, config.tensors(), tensors, dtype, maxShardBytes);
  }

  private static void write(
      Path directory,
      ModelConfig config,
      Map<String, Shape> shapes,
      Function<String, TensorData> tensors,
      DType dtype,
      long maxShardBytes) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new CheckpointException(directory + " cannot be made: " + e, e);
    }
    JsonFile.write(directory.resolve("config.json"), config.toJson(dtype));
    JsonFile.write(directory.resolve("generation_config.json"), config.generationJson());
    List<List<String>> shards =
        split(
            shapes.keySet().stream().toList(),
            name -> bytes(Objects.requireNonNull(shapes.get(name)), dtype),
            maxShardBytes);
    long total = shapes.values().stream().mapToLong(shape -> bytes(shape, dtype)).sum();
    files(
        directory,
        shards,
        total,
        (file, names) -> {
          Map<String, Shape> own = new LinkedHashMap<>();
          names.forEach(name -> own.put(name, Objects.requireNonNull(shapes.get(name))));
          SafetensorsWriter.write(file, own, tensors, dtype);
        });
  }

  /**
   * Writes the weights of a model that is quantised; its {@code config.json} is the caller's.
   *
   * @param groups of each of the model's tensors, in order, what is written of it; the first has
   *     its name
   * @param weights gives what is written of a tensor, asked for once by its name
   * @param maxShardBytes no file holds more, unless one tensor alone does
   */
  public static void writeStored(
      Path directory,
      List<List<BitsAndBytesWeight.Part>> groups,
      Function<String, BitsAndBytesWeight> weights,
      long maxShardBytes) {
    Map<String, List<BitsAndBytesWeight.Part>> byName = new LinkedHashMap<>();
    groups.forEach(group -> byName.put(group.get(0).name(), group));
    ToLongFunction<String> bytes =
        name ->
            Objects.requireNonNull(byName.get(name)).stream()
                .mapToLong(part -> part.tensor().bytes())
                .sum();
    List<List<String>> shards = split(byName.keySet().stream().toList(), bytes, maxShardBytes);
    List<List<String>> stored =
        shards.stream()
            .map(
                names ->
                    names.stream()
                        .flatMap(name -> Objects.requireNonNull(byName.get(name)).stream())
                        .map(BitsAndBytesWeight.Part::name)
                        .toList())
            .toList();
    Map<String, StoredTensor> tensors = new LinkedHashMap<>();
    groups.forEach(group -> group.forEach(part -> tensors.put(part.name(), part.tensor())));
    Map<String, ByteBuffer> current = new HashMap<>();
    files(
        directory,
        stored,
        tensors.values().stream().mapToLong(StoredTensor::bytes).sum(),
        (file, names) -> {
          Map<String, StoredTensor> own = new LinkedHashMap<>();
          names.forEach(name -> own.put(name, Objects.requireNonNull(tensors.get(name))));
          SafetensorsWriter.writeStored(
              file,
              own,
              name -> {
                if (byName.containsKey(name)) {
                  current.clear();
                  current.putAll(weights.apply(name).tensors());
                }
                return Objects.requireNonNull(current.get(name), name);
              });
        });
  }

  private interface OneFile {
    void write(Path file, List<String> tensors);
  }

  private static void files(
      Path directory, List<List<String>> shards, long totalBytes, OneFile writer) {
    if (shards.size() == 1) {
      writer.write(directory.resolve("model.safetensors"), shards.get(0));
      return;
    }
    ObjectNode index = JsonFile.object();
    index.putObject("metadata").put("total_size", totalBytes);
    ObjectNode weightMap = index.putObject("weight_map");
    for (int i = 0; i < shards.size(); i++) {
      String name =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
      writer.write(directory.resolve(name), shards.get(i));
      shards.get(i).forEach(tensor -> weightMap.put(tensor, name));
    }
    JsonFile.write(directory.resolve("model.safetensors.index.json"), index);
  }

  private static void check(ModelConfig config, Map<String, TensorData> tensors) {
    Map<String, Shape> expected = config.tensors();
    expected.forEach(
        (name, shape) -> {
          TensorData tensor = tensors.get(name);
          if (tensor == null) {
            throw new IllegalArgumentException(
                "tensor '" + name + "' of shape " + shape + " is missing");
          }
          if (!tensor.shape().equals(shape)) {
            throw new IllegalArgumentException(
                "tensor '" + name + "' has shape " + tensor.shape() + ", expected " + shape);
          }
        });
    for (String name : tensors.keySet()) {
      if (!expected.containsKey(name)) {
        throw new IllegalArgumentException(
            "tensor '" + name + "' does not belong to " + config.architecture());
      }
    }
  }

  private static List<List<String>> split(
      List<String> tensors, ToLongFunction<String> bytes, long maxShardBytes) {
    List<List<String>> shards = new ArrayList<>();
    List<String> shard = new ArrayList<>();
    long size = 0;
    for (String tensor : tensors) {
      long own = bytes.applyAsLong(tensor);
      if (!shard.isEmpty() && size + own > maxShardBytes) {
        shards.add(shard);
        shard = new ArrayList<>();
        size = 0;
      }
      shard.add(tensor);
      size += own;
    }
    shards.add(shard);
    return shards;
  }

  private static long bytes(Shape shape, DType dtype) {
    return shape.elements() * dtype.bytes();
  }
}
