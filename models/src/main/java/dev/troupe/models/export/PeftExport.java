package dev.troupe.models.export;

import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.tokenizer.TokenizerFiles;
import java.nio.file.Path;
import java.util.Optional;

/** An adapter by itself, as PEFT saves one, with its base's tokenizer. */
public final class PeftExport {
  private PeftExport() {}

  /**
   * Writes it; a head stays in the adapter's own file.
   *
   * @param model directory of the base
   * @param adapter PEFT directory
   * @param output must not exist, or be an empty directory
   * @param dtype of the weights written
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is wrong with the base,
   *     the adapter or the output
   */
  public static void write(Path model, Path adapter, Path output, DType dtype) {
    ModelConfig config = ModelConfig.read(model);
    Adapter found = Adapter.read(adapter, config);
    try (OutputDirectory directory = OutputDirectory.make(output)) {
      found.write(directory.path(), dtype);
      TokenizerFiles.copy(model, directory.path());
      TokenizerFiles.chatTemplate(Optional.of(adapter))
          .ifPresent(file -> TokenizerFiles.writeChatTemplate(file, directory.path()));
      directory.keep();
    }
  }
}
