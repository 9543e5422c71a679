package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.JsonNode;
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
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * An adapter with its numbers, as PEFT stores it.
 *
 * @param config what it adapts and how
 * @param tensors those of {@link AdapterConfig#tensors}, row by row, in the base's own order of
 *     rows; a copy of the output matrix may be absent
 */
public record Adapter(AdapterConfig config, Map<String, TensorData> tensors) {
  private static final String PREFIX = "base_model.model.";
  private static final String WEIGHTS = "adapter_model.safetensors";

  /** What PEFT does not keep: where virtual tokens are an encoder's output, the encoder. */
  private static final String ENCODER = "prompt_encoder.safetensors";

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
      Map<String, TensorData> tensors = account(file, config, config.tensors(model), model);
      tensors.putAll(encoder(directory, config));
      return new Adapter(config, tensors);
    }
  }

  private static Map<String, TensorData> encoder(Path directory, AdapterConfig config) {
    Path path = directory.resolve(ENCODER);
    if (!(config.method() instanceof PromptMethod method)
        || method.encoder().isEmpty()
        || !Files.exists(path)) {
      return Map.of();
    }
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      for (PromptMethod.Parameter parameter : method.parameters()) {
        String name = parameter.name().substring(PromptMethod.ENCODER.length());
        if (!file.names().contains(name) || !file.shape(name).equals(parameter.shape())) {
          throw new CheckpointException(
              path
                  + ": tensor '"
                  + name
                  + "' "
                  + (file.names().contains(name)
                      ? "has shape " + file.shape(name) + ", expected " + parameter.shape()
                      : "is missing")
                  + ".");
        }
        float[] values = file.floats(name);
        Finite.check(path, name, parameter.shape(), FloatBuffer.wrap(values));
        tensors.put(parameter.name(), TensorData.of(values, parameter.shape().toArray()));
      }
    }
    return tensors;
  }

  /** What becomes of the base's tensors that it does not bring whole, by their names there. */
  public Map<String, WeightChange> changes(ModelConfig model) {
    return config.method().changes(model, tensors);
  }

  /** The same of the output matrix alone. */
  Map<String, WeightChange> changesOfHead(ModelConfig model) {
    return config.lora().map(lora -> lora.changesOfHead(model, tensors)).orElse(Map.of());
  }

  /** What it brings whole in the base's place, by the base's names. */
  public Map<String, TensorData> whole(ModelConfig model) {
    Map<String, TensorData> found = new LinkedHashMap<>();
    config
        .whole(model)
        .forEach(
            (name, stored) -> found.put(stored, Objects.requireNonNull(tensors.get(name), name)));
    found.putAll(copies(model));
    return found;
  }

  /** The base's matrices under a pair of its own, where it brings them along. */
  public Map<String, TensorData> copies(ModelConfig model) {
    Map<String, TensorData> found = new LinkedHashMap<>();
    config
        .copies(model)
        .forEach(
            (name, stored) ->
                Optional.ofNullable(tensors.get(name)).ifPresent(own -> found.put(stored, own)));
    return found;
  }

  /** The output matrix that it adapts, where it brings that along. */
  Map<String, TensorData> wholeHead(ModelConfig model) {
    return config
        .headPair(model)
        .flatMap(
            head ->
                Optional.ofNullable(tensors.get(head.nameOfBase()))
                    .map(own -> Map.of(head.stored(), own)))
        .orElse(Map.of());
  }

  /**
   * Whether it adapts the output matrix in a way that needs a base of its own: it brings that
   * along, or adapts it by DoRA.
   */
  public boolean needsOwnHead(ModelConfig model) {
    return config.headPair(model).isPresent()
        && (!copies(model).isEmpty() || config.lora().filter(LoraOptions::dora).isPresent());
  }

  private static Map<String, TensorData> account(
      SafetensorsFile file, AdapterConfig config, Map<String, Shape> expected, ModelConfig model) {
    List<String> missing = new ArrayList<>();
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    Set<String> known = new LinkedHashSet<>();
    expected.forEach(
        (name, shape) -> {
          String there = inFile(file, config.method(), name);
          known.add(there);
          if (!file.names().contains(there)) {
            missing.add(config.method().inFile(name));
          } else if (!file.shape(there).equals(shape)) {
            throw new CheckpointException(
                file.path()
                    + ": tensor '"
                    + there
                    + "' has shape "
                    + file.shape(there)
                    + ", expected "
                    + shape
                    + " for this base: the adapter was trained on another base or with another rank.");
          } else {
            float[] values = file.floats(there);
            Finite.check(file.path(), there, shape, FloatBuffer.wrap(values));
            tensors.put(name, TensorData.of(values, shape.toArray()));
          }
        });
    // PEFT saves the matrices that it adapts; without them, the base's own are meant.
    config.copies(model).keySet().forEach(name -> missing.remove(PREFIX + name));
    Set<String> biases = config.method().whole(model).keySet();
    if (config.lora().filter(lora -> lora.bias() == LoraOptions.Bias.LORA_ONLY).isPresent()
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
      if (!known.contains(name)) {
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

  /** Trained on a model that also sees images, the names of its text part stand deeper. */
  private static String inFile(SafetensorsFile file, PeftMethod method, String name) {
    String inner = name.startsWith("model.") ? name.substring("model.".length()) : name;
    return List.of(
            method.inFile(name),
            PREFIX + "model.language_model." + inner,
            PREFIX + "language_model." + name)
        .stream()
        .filter(file.names()::contains)
        .findFirst()
        .orElse(method.inFile(name));
  }

  /** The targets as the file has them. */
  private static String shown(AdapterConfig config) {
    JsonNode targets = config.toJson().get("target_modules");
    return targets == null ? config.method().describe() : targets.toString();
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
    Map<String, TensorData> encoder = new LinkedHashMap<>();
    tensors.forEach(
        (name, data) -> {
          if (name.startsWith(PromptMethod.ENCODER)) {
            encoder.put(name.substring(PromptMethod.ENCODER.length()), data);
          } else {
            named.put(config.method().inFile(name), data);
          }
        });
    SafetensorsWriter.write(directory.resolve(WEIGHTS), named, dtype);
    if (!encoder.isEmpty()) {
      SafetensorsWriter.write(directory.resolve(ENCODER), encoder, dtype);
    }
    JsonFile.write(directory.resolve("adapter_config.json"), config.toJson());
  }
}
