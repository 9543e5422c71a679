package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.models.checkpoint.ModelPath;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which model a one-off command works on. */
final class ModelOptions {
  @Parameters(
      paramLabel = "MODEL",
      description =
          "directory of a checkpoint in Hugging Face layout (docs/families.md), or a .gguf file")
  private Path model = Path.of("");

  @Option(
      names = "--adapter",
      paramLabel = "DIR",
      description = "PEFT adapter to put on it, for example runs/NAME/policy")
  private @Nullable Path adapter;

  OneModel open(OneModel.Opener opener, double temperature, PipelineConfig.Engine engine) {
    return opener.open(existing(), existingAdapter(), temperature, engine);
  }

  /** The model's directory. */
  Path existing() {
    ModelPath.requireExisting(model);
    return model;
  }

  /** The adapter's directory, if one is named. */
  Optional<Path> existingAdapter() {
    if (adapter != null && !Files.isDirectory(adapter)) {
      throw new UserException(
          "--adapter "
              + adapter
              + ": no such directory; expected one with adapter_config.json and"
              + " adapter_model.safetensors");
    }
    return Optional.ofNullable(adapter);
  }
}
