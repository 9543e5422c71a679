package dev.troupe.actors.pipeline;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.ModelPath;
import dev.troupe.rlhf.data.Reading;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;

/**
 * Reads every number of the models that a run begins from, each model once, before anything is
 * trained: headers say nothing of a NaN.
 */
final class WeightReading {
  private static final int MIB = 20;

  private final Reading reading;
  private final Set<Path> read = new HashSet<>();

  WeightReading(Reading reading) {
    this.reading = reading;
  }

  /**
   * Reads a model's weights, unless that was done before.
   *
   * @param forValues whether it may be a sequence classifier
   * @throws CheckpointException as {@link Checkpoint#open}, and by the first tensor that holds a
   *     NaN or an infinity
   */
  void check(Path model, boolean forValues) {
    ModelPath.requireExisting(model);
    if (!read.add(real(model))) {
      return;
    }
    try (Checkpoint checkpoint =
        forValues ? Checkpoint.openForValues(model) : Checkpoint.open(model)) {
      long[] bytes = {0};
      checkpoint.checkFinite(
          piece -> {
            bytes[0] += piece;
            reading.tick("reading the weights of " + model, bytes[0] >> MIB, "MiB");
          });
    }
  }

  private static Path real(Path model) {
    try {
      return model.toRealPath();
    } catch (IOException e) {
      throw new PipelineException("cannot read " + model + ": " + e, e);
    }
  }
}
