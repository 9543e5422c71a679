package dev.troupe.models.export;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.MergedWeights;
import dev.troupe.models.tokenizer.TokenizerFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A model with its adapter merged, as a Hugging Face directory: weights summed in fp32 and then
 * rounded to the nearest, ties to even; configuration, generation settings and tokenizer of the
 * base.
 */
public final class HuggingFaceExport {
  private static final String GENERATION = "generation_config.json";

  private HuggingFaceExport() {}

  /**
   * Writes it. A value or reward head goes beside it into {@value ScoreFile#NAME}.
   *
   * @param model directory of the base
   * @param adapter PEFT directory to merge into it
   * @param output must not exist, or be an empty directory
   * @param dtype of the weights written
   * @param maxShardBytes no file holds more, unless one tensor alone does
   * @return whether there was a head
   * @throws dev.troupe.models.checkpoint.CheckpointException naming what is wrong with the base,
   *     the adapter or the output
   */
  public static boolean write(
      Path model,
      Optional<Path> adapter,
      Path output,
      DType dtype,
      long maxShardBytes,
      ExportListener listener) {
    try (Checkpoint checkpoint = Checkpoint.open(model);
        OutputDirectory directory = OutputDirectory.make(output)) {
      Optional<Adapter> found = adapter.map(path -> Adapter.read(path, checkpoint.config()));
      MergedWeights weights = MergedWeights.of(checkpoint, found);
      Path target = directory.path();
      Map<String, Shape> shapes = weights.shapes();
      long total = shapes.values().stream().mapToLong(Shape::elements).sum();
      long[] done = {0};
      CheckpointWriter.write(
          target,
          weights.config(),
          name -> {
            done[0] += Objects.requireNonNull(shapes.get(name), name).elements();
            listener.wrote(name, done[0], total);
            return weights.tensor(name);
          },
          dtype,
          maxShardBytes);
      ObjectNode config = weights.config().source();
      config.remove("dtype");
      config.remove(ModelConfig.QUANTISATION);
      config.put("torch_dtype", dtype.torchName());
      JsonFile.write(target.resolve("config.json"), config);
      if (Files.exists(model.resolve(GENERATION))) {
        JsonFile.write(target.resolve(GENERATION), JsonFile.read(model.resolve(GENERATION)));
      }
      TokenizerFiles.copy(model, target);
      TokenizerFiles.chatTemplate(adapter)
          .ifPresent(file -> TokenizerFiles.writeChatTemplate(file, target));
      boolean head = ScoreFile.write(target, model, found, checkpoint.config().hiddenSize());
      directory.keep();
      return head;
    }
  }
}
