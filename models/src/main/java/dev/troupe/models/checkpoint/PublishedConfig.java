package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.gguf.GgufConfig;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * A configuration as it was published, with what lies beside it: the ends of text of {@code
 * generation_config.json}, whether the files have an output matrix of their own, and whether the
 * model also sees images, of which the text part is read.
 */
record PublishedConfig(ModelConfig config, boolean multimodal) {
  /**
   * @param path the file itself, the directory it lies in, or a .gguf file
   * @throws CheckpointException when it is missing, malformed, or of a model that cannot be run
   */
  static PublishedConfig read(Path path) {
    if (ModelConfig.isGguf(path)) {
      try (GgufFile file = GgufFile.open(path)) {
        return new PublishedConfig(ModelConfig.parse(GgufConfig.of(file), path.toString()), false);
      }
    }
    boolean isFile = path.toString().endsWith(".json");
    Path file = isFile ? path : path.resolve("config.json");
    Path directory = isFile ? path.resolveSibling("") : path;
    refuseAdapter(file);
    ObjectNode json = JsonFile.read(file);
    boolean multimodal = MultimodalConfig.is(json);
    ModelConfig config = parse(json, multimodal, file);
    config = withEnds(config, file.resolveSibling("generation_config.json"));
    return new PublishedConfig(untied(config, directory, multimodal), multimodal);
  }

  /** Of many models made for dialogues the end of a turn stands in that file alone. */
  private static ModelConfig withEnds(ModelConfig config, Path file) {
    if (!Files.exists(file)) {
      return config;
    }
    try {
      return config.withEnds(new ConfigKeys(JsonFile.read(file)).eosTokens(List.of()));
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(file + ": " + e.getMessage() + ".", e);
    }
  }

  private static ModelConfig parse(ObjectNode json, boolean multimodal, Path file) {
    try {
      return Families.read(new ConfigKeys(multimodal ? MultimodalConfig.text(json) : json));
    } catch (IllegalArgumentException e) {
      throw new CheckpointException(file + ": " + e.getMessage() + ".", e);
    }
  }

  private static ModelConfig untied(ModelConfig config, Path directory, boolean multimodal) {
    if (!config.tiedEmbeddings() || !WeightFiles.areIn(directory)) {
      return config;
    }
    try (WeightFiles files = WeightFiles.open(directory, config, multimodal)) {
      return files.hasHeadOfItsOwn(config) ? config.untied() : config;
    }
  }

  private static void refuseAdapter(Path config) {
    Path adapter = config.resolveSibling("adapter_config.json");
    if (Files.exists(config) || !Files.exists(adapter)) {
      return;
    }
    String base = JsonFile.read(adapter).path("base_model_name_or_path").asText("");
    throw new CheckpointException(
        config.getParent()
            + " is an adapter (adapter_config.json), not a whole model. Name its base as the model"
            + (base.isEmpty() ? "" : ", which the file says is '" + base + "',")
            + " and this directory as the adapter: BASE --adapter "
            + config.getParent()
            + ".");
  }
}
