package dev.troupe.models.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.checkpoint.WeightFiles.Place;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * A Hugging Face {@code …ForSequenceClassification} with one label: the network of a decoder and,
 * in place of an output matrix, {@value #SCORE}, (1, hidden). That is a reward model.
 */
public final class SequenceClassifier {
  static final String SCORE = "score.weight";

  private static final String SUFFIX = "ForSequenceClassification";

  private SequenceClassifier() {}

  /** Whether the directory's {@code config.json} says that it holds one. */
  public static boolean isIn(Path directory) {
    Path config = directory.resolve("config.json");
    if (!Files.isRegularFile(config)) {
      return false;
    }
    for (JsonNode architecture : JsonFile.read(config).path("architectures")) {
      if (architecture.asText().endsWith(SUFFIX)) {
        return true;
      }
    }
    return false;
  }

  /** Where something is to write text. */
  static void refuse(Path directory) {
    if (isIn(directory)) {
      throw new CheckpointException(
          directory
              + " is a sequence classifier (config.json, architectures): it gives scores and writes"
              + " no text. It can be a reward model: name it as start.reward in a configuration.");
    }
  }

  /** Takes the score out of a classifier's tensors, checked. */
  static Place takeScore(Path directory, ModelConfig config, Map<String, Place> found) {
    Place score = found.remove(SCORE);
    Shape expected = Shape.of(1, config.hiddenSize());
    if (score == null) {
      throw new CheckpointException(
          directory + " has no tensor '" + SCORE + "' of shape " + expected + ", its score.");
    }
    if (!score.shape().equals(expected)) {
      throw new CheckpointException(
          directory
              + ": tensor '"
              + SCORE
              + "' has shape "
              + score.shape()
              + ", expected "
              + expected
              + ": a reward model has one label (num_labels=1).");
    }
    return score;
  }
}
