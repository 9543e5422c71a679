package dev.troupe.models.checkpoint;

import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * The value head beside a fully tuned model's weights: one tensor {@code weight}, (1, hidden). An
 * adapter's head lies in the adapter's own file.
 */
public final class ValueHeadFile {
  private static final String FILE = "value_head.safetensors";
  private static final String TENSOR = "weight";

  private ValueHeadFile() {}

  /** Writes the head, (hidden), into a model directory. */
  public static void write(Path model, float[] head) {
    SafetensorsWriter.write(
        model.resolve(FILE), Map.of(TENSOR, TensorData.of(head, 1, head.length)), DType.F32);
  }

  /** The head of a model directory that has one; a {@link SequenceClassifier}'s is its score. */
  public static Optional<float[]> read(Path model, int hidden) {
    if (SequenceClassifier.isIn(model)) {
      try (Checkpoint classifier = Checkpoint.openForValues(model)) {
        return classifier.score();
      }
    }
    if (!Files.exists(model.resolve(FILE))) {
      return Optional.empty();
    }
    try (SafetensorsFile file = SafetensorsFile.open(model.resolve(FILE))) {
      if (!file.names().contains(TENSOR) || file.shape(TENSOR).elements() != hidden) {
        throw new CheckpointException(
            file.path()
                + " must hold a tensor '"
                + TENSOR
                + "' of shape [1, "
                + hidden
                + "], found "
                + file.names());
      }
      float[] head = file.floats(TENSOR);
      Finite.check(file.path(), TENSOR, file.shape(TENSOR), FloatBuffer.wrap(head));
      return Optional.of(head);
    }
  }
}
