package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.Finite;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.SafetensorsWriter;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * A LoRA adapter with its numbers, as PEFT stores it.
 *
 * @param config what it adapts and how
 * @param tensors exactly those of {@link AdapterConfig#tensors}, row by row, in the base's own
 *     order of rows
 */
public record Adapter(AdapterConfig config, Map<String, TensorData> tensors) {
  private static final String PREFIX = "base_model.model.";
  private static final String WEIGHTS = "adapter_model.safetensors";

  public Adapter {
    tensors = Collections.unmodifiableMap(new LinkedHashMap<>(tensors));
  }

  /** Whether a directory holds an adapter and not a whole model. */
  public static boolean isIn(Path directory) {
    return Files.exists(directory.resolve("adapter_config.json"));
  }

  /**
   * Reads a PEFT directory and checks that it belongs to the base.
   *
   * @param model the base's configuration
   * @throws CheckpointException when a file is missing or malformed, an option is not supported, or
   *     a tensor is missing, unknown or of another shape than the base asks for
   */
  public static Adapter read(Path directory, ModelConfig model) {
    AdapterConfig config = AdapterConfig.read(directory, model);
    Path weights = directory.resolve(WEIGHTS);
    if (!Files.exists(weights) && Files.exists(directory.resolve("adapter_model.bin"))) {
      throw new CheckpointException(
          directory
              + " has its weights only as pickle (adapter_model.bin), which is never opened: unpickling a file runs any code that"
              + " it contains. Save it again with PEFT: model.save_pretrained(directory, safe_serialization=True).");
    }
    try (SafetensorsFile file = SafetensorsFile.open(weights)) {
      return new Adapter(config, account(file, config, config.tensors(model), model));
    }
  }

  /** What is added to each linear layer's weight, by the weight's name in the checkpoint. */
  public Map<String, LowRank> lowRanks(ModelConfig model) {
    Map<String, LowRank> found = new LinkedHashMap<>();
    for (LoraPair pair : config.lora().pairs(model)) {
      LinearModule module = pair.module();
      found.put(
          module.name() + ".weight",
          new LowRank(
              pair,
              floats(module.nameOfA()),
              floats(module.nameOfB()),
              config.lora().dora()
                  ? Optional.of(floats(module.nameOfMagnitude()))
                  : Optional.empty()));
    }
    return found;
  }

  /** What it brings whole, biases and saved modules, in the base's place, by the base's names. */
  public Map<String, TensorData> whole(ModelConfig model) {
    Map<String, TensorData> found = new LinkedHashMap<>();
    config
        .biases(model)
        .forEach(
            (name, stored) -> found.put(stored, Objects.requireNonNull(tensors.get(name), name)));
    config
        .replaced(model)
        .forEach(name -> found.put(name, Objects.requireNonNull(tensors.get(name), name)));
    return found;
  }

  private float[] floats(String name) {
    return Objects.requireNonNull(tensors.get(name), name).floats();
  }

  private static Map<String, TensorData> account(
      SafetensorsFile file, AdapterConfig config, Map<String, Shape> expected, ModelConfig model) {
    List<String> missing = new ArrayList<>();
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    expected.forEach(
        (name, shape) -> {
          if (!file.names().contains(PREFIX + name)) {
            missing.add(PREFIX + name);
          } else if (!file.shape(PREFIX + name).equals(shape)) {
            throw new CheckpointException(
                file.path()
                    + ": tensor '"
                    + PREFIX
                    + name
                    + "' has shape "
                    + file.shape(PREFIX + name)
                    + ", expected "
                    + shape
                    + " for this base: the adapter was trained on another base or with another rank.");
          } else {
            float[] values = file.floats(PREFIX + name);
            Finite.check(file.path(), PREFIX + name, shape, FloatBuffer.wrap(values));
            tensors.put(name, TensorData.of(values, shape.toArray()));
          }
        });
    Set<String> biases = config.biases(model).keySet();
    if (config.lora().bias() == LoraOptions.Bias.LORA_ONLY
        && !missing.isEmpty()
        && missing.stream().allMatch(name -> biases.contains(name.substring(PREFIX.length())))) {
      throw new CheckpointException(
          file.path()
              + ": tensor '"
              + missing.get(0)
              + "' is missing, and adapter_config.json says bias 'lora_only'. PEFT 0.17 trains these biases but does not save them, and"
              + " loads the base's instead: set bias to none to have the same, or train with bias 'all'.");
    }
    if (!missing.isEmpty()) {
      throw new CheckpointException(
          file.path()
              + ": tensor '"
              + missing.get(0)
              + "' is missing"
              + (missing.size() > 1 ? ", and " + (missing.size() - 1) + " more" : "")
              + ". The base has "
              + model.layers()
              + " layers and adapter_config.json names "
              + shown(config)
              + ".");
    }
    for (String name : file.names()) {
      if (!name.startsWith(PREFIX) || !expected.containsKey(name.substring(PREFIX.length()))) {
        throw new CheckpointException(
            file.path()
                + ": tensor '"
                + name
                + "' is not expected for this base of "
                + model.layers()
                + " layers and target_modules "
                + shown(config)
                + ".");
      }
    }
    return tensors;
  }

  /** The targets as the file has them. */
  private static String shown(AdapterConfig config) {
    return config.toJson().get("target_modules").toString();
  }

  /**
   * Writes a PEFT directory in fp32.
   *
   * @param directory made when it does not exist
   */
  public void write(Path directory) {
    write(directory, DType.F32);
  }

  /** As above, the numbers stored as {@code dtype}. */
  public void write(Path directory, DType dtype) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new CheckpointException(directory + " cannot be made: " + e, e);
    }
    Map<String, TensorData> named = new LinkedHashMap<>();
    tensors.forEach((name, data) -> named.put(PREFIX + name, data));
    SafetensorsWriter.write(directory.resolve(WEIGHTS), named, dtype);
    JsonFile.write(directory.resolve("adapter_config.json"), config.toJson());
  }
}
