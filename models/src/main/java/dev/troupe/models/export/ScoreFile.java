package dev.troupe.models.export;

import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.SafetensorsWriter;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.checkpoint.ValueHeadFile;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * The value or reward head beside an exported model: one tensor {@code score.weight}, (1, hidden),
 * fp32, as {@code LlamaForSequenceClassification} names it.
 */
final class ScoreFile {
  static final String NAME = "score.safetensors";

  private ScoreFile() {}

  /** Writes the adapter's head, or the model's own; returns whether there was one. */
  static boolean write(Path target, Path model, Optional<Adapter> adapter, int hidden) {
    Optional<TensorData> head =
        adapter
            .flatMap(found -> Optional.ofNullable(found.tensors().get(AdapterConfig.HEAD)))
            .or(() -> ValueHeadFile.read(model, hidden).map(own -> TensorData.of(own, 1, hidden)));
    head.ifPresent(
        found ->
            SafetensorsWriter.write(
                target.resolve(NAME), Map.of(AdapterConfig.HEAD, found), DType.F32));
    return head.isPresent();
  }
}
