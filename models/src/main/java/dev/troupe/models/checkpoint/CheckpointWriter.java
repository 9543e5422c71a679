package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;

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
    List<Map<String, Shape>> shards = split(shapes, dtype, maxShardBytes);
    if (shards.size() == 1) {
      SafetensorsWriter.write(directory.resolve("model.safetensors"), shapes, tensors, dtype);
      return;
    }
    ObjectNode index = JsonFile.object();
    long total = shapes.values().stream().mapToLong(shape -> bytes(shape, dtype)).sum();
    index.putObject("metadata").put("total_size", total);
    ObjectNode weightMap = index.putObject("weight_map");
    for (int i = 0; i < shards.size(); i++) {
      String name =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
      SafetensorsWriter.write(directory.resolve(name), shards.get(i), tensors, dtype);
      shards.get(i).keySet().forEach(tensor -> weightMap.put(tensor, name));
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

  private static List<Map<String, Shape>> split(
      Map<String, Shape> tensors, DType dtype, long maxShardBytes) {
    List<Map<String, Shape>> shards = new ArrayList<>();
    Map<String, Shape> shard = new LinkedHashMap<>();
    long size = 0;
    for (Map.Entry<String, Shape> tensor : tensors.entrySet()) {
      long bytes = bytes(tensor.getValue(), dtype);
      if (!shard.isEmpty() && size + bytes > maxShardBytes) {
        shards.add(shard);
        shard = new LinkedHashMap<>();
        size = 0;
      }
      shard.put(tensor.getKey(), tensor.getValue());
      size += bytes;
    }
    shards.add(shard);
    return shards;
  }

  private static long bytes(Shape shape, DType dtype) {
    return shape.elements() * dtype.bytes();
  }
}
