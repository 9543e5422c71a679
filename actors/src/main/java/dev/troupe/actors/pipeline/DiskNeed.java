package dev.troupe.actors.pipeline;

import dev.troupe.engine.EngineException;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.protocol.data.Tuning;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** An estimate of what a run writes: what its stages train, checkpoints, events and figures. */
final class DiskNeed {
  private static final long FLOAT = 4;

  /** A checkpoint holds a role's parameters and AdamW's two moments. */
  private static final long COPIES = 3;

  /** Events, metrics and samples of a round, which keeps eight rollouts. */
  private static final long ROUND_BYTES = 64L << 10;

  private DiskNeed() {}

  /**
   * @param model absent where it is yet to be made
   */
  static long of(
      PipelineConfig config, Optional<ModelConfig> model, List<RunForecast.Planned> stages) {
    long saved = 0;
    long checkpoints = 0;
    long rounds = 0;
    for (RunForecast.Planned planned : stages) {
      List<Long> trained =
          planned.stage().roles().stream()
              .flatMap(role -> role.training().stream())
              .map(training -> trained(training.tuning().tuning(), model))
              .toList();
      boolean answers = planned.stage().roles().stream().anyMatch(role -> role.answers() > 0);
      rounds += answers ? planned.forecast().steps() : 0;
      saved += trained.isEmpty() ? 0 : trained.get(0) * FLOAT;
      // One more than are kept, while it is written; they go when the stage is complete.
      checkpoints =
          Math.max(
              checkpoints,
              (config.checkpoints().keep() + 1L)
                  * trained.stream().mapToLong(Long::longValue).sum()
                  * COPIES
                  * FLOAT);
    }
    return saved + checkpoints + rounds * ROUND_BYTES + (1L << 20);
  }

  private static long trained(Tuning tuning, Optional<ModelConfig> model) {
    try {
      return model.map(known -> HybridEngines.ownParameters(tuning, known)).orElse(0L);
    } catch (EngineException e) {
      return 0; // told as a problem of the tuning
    }
  }

  /** Why the output directory cannot take that much, or be made at all. */
  static Optional<String> problem(Path output, long bytes) {
    Path existing = output.toAbsolutePath();
    while (!Files.exists(existing) && existing.getParent() != null) {
      existing = existing.getParent();
    }
    if (!Files.isDirectory(existing)) {
      return Optional.of(
          existing.equals(output.toAbsolutePath())
              ? output + " is a file; name a directory for output"
              : "the output directory " + output + " cannot be made: " + existing + " is a file");
    }
    if (!Files.isWritable(existing)) {
      return Optional.of(
          "the output directory " + output + " cannot be written: no permission in " + existing);
    }
    try {
      if (Files.getFileStore(existing).getTotalSpace() == 0) { // /proc, /sys and their like
        return Optional.of(
            "the output directory "
                + output
                + " cannot be written: "
                + existing
                + " is on a file system of the kernel's ("
                + Files.getFileStore(existing).type()
                + "), which stores nothing");
      }
      long free = Files.getFileStore(existing).getUsableSpace();
      return free >= bytes
          ? Optional.empty()
          : Optional.of(
              String.format(
                  Locale.ROOT,
                  "too little room on disk: the run writes about %d MiB into %s, and %d MiB are"
                      + " free there; free some, name another directory (output), or keep fewer"
                      + " checkpoints (checkpoints.keep)",
                  (bytes >> 20) + 1,
                  output,
                  free >> 20));
    } catch (IOException e) {
      return Optional.empty(); // a file system that does not say
    }
  }
}
