package dev.troupe.models.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/** Where a model lies. */
public final class ModelPath {
  /** As models are named on the Hugging Face hub. */
  private static final Pattern HUB_NAME =
      Pattern.compile("[A-Za-z0-9][\\w.-]*/[A-Za-z0-9][\\w.-]*");

  private ModelPath() {}

  /**
   * Refuses what is neither a directory nor a GGUF file.
   *
   * @throws CheckpointException which says how to come by a model that is named as on the hub
   */
  public static void requireExisting(Path model) {
    boolean gguf = ModelConfig.isGguf(model);
    if (gguf ? Files.isRegularFile(model) : Files.isDirectory(model)) {
      return;
    }
    throw new CheckpointException(
        model
            + (Files.exists(model) ? ": is not a " : ": no such ")
            + (gguf ? "file" : "directory")
            + "; a model is a directory with config.json, *.safetensors and tokenizer.json, or a"
            + " .gguf file"
            + (!gguf && HUB_NAME.matcher(model.toString()).matches() && !Files.exists(model)
                ? howToGet(model.toString())
                : ""));
  }

  private static String howToGet(String name) {
    String directory = name.substring(name.indexOf('/') + 1);
    return ". Troupe downloads nothing; if this is a model's name on Hugging Face, fetch it first:"
        + " hf download "
        + name
        + " --local-dir "
        + directory
        + " (pip install huggingface_hub), then name the directory "
        + directory;
  }
}
