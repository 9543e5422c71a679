package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.role.Fence;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.Stages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What a directory holds of a run. A stage is begun when something that it trained was kept, so
 * that a run which ended before its first checkpoint has left nothing to go on from, and nothing in
 * the way of another.
 *
 * @param begun the last step kept of each stage that is begun and not done, by its name
 * @param done names of stages that ran to their end
 * @param completed whether the run ended with all its stages
 */
record RunState(
    Path path, Kind kind, Map<String, Long> begun, Set<String> done, boolean completed) {
  /** What kind of place it is. */
  enum Kind {
    /** Not there, or empty. */
    FREE,
    /** Not a directory. */
    FILE,
    /** A directory with other things than a run. */
    OTHER,
    /** A run's. */
    RUN
  }

  /** What is there before a run has said which run it is. */
  private static final Set<String> FIRST_FILES =
      Set.of(
          "events.pb",
          ".events.pb.lock",
          "nodes",
          Fence.DIRECTORY,
          RunDirectory.IDENTITY + ".writing");

  static RunState of(Path path) {
    try {
      Kind kind = kind(path);
      Map<String, Long> begun = new LinkedHashMap<>();
      Set<String> done = Set.of();
      if (kind == Kind.RUN) {
        RunCheckpoints checkpoints =
            new RunCheckpoints(path, new PipelineConfig.Checkpointing(0, 1));
        done =
            Stages.names().stream()
                .filter(checkpoints::isComplete)
                .collect(Collectors.toCollection(LinkedHashSet::new));
        for (String stage : Stages.names()) {
          long step = checkpoints.step(stage);
          if (!done.contains(stage) && step > 0) {
            begun.put(stage, step);
          }
        }
      }
      return new RunState(
          path, kind, begun, done, kind == Kind.RUN && outcome(path).equals(RunResult.COMPLETED));
    } catch (IOException e) {
      throw new PipelineException("cannot read the output directory " + path + ": " + e, e);
    }
  }

  private static Kind kind(Path path) throws IOException {
    if (!Files.exists(path)) {
      return Kind.FREE;
    }
    if (!Files.isDirectory(path)) {
      return Kind.FILE;
    }
    if (Files.exists(path.resolve(RunDirectory.IDENTITY))) {
      return Kind.RUN;
    }
    try (Stream<Path> entries = Files.list(path)) {
      return entries.allMatch(entry -> FIRST_FILES.contains(entry.getFileName().toString()))
          ? Kind.FREE
          : Kind.OTHER;
    }
  }

  private static String outcome(Path path) throws IOException {
    Path summary = path.resolve(RunDirectory.SUMMARY);
    return Files.exists(summary)
        ? new ObjectMapper().readTree(summary.toFile()).path("outcome").asText()
        : "";
  }

  boolean isDone(Stage<?> stage) {
    return done.contains(stage.name());
  }

  /** Whether it holds anything that was trained. */
  boolean holdsTraining() {
    return !done.isEmpty() || !begun.isEmpty();
  }

  /** Whether all that a configuration asks for is there. */
  boolean isComplete(PipelineConfig config) {
    return completed && config.stages().stream().allMatch(this::isDone) && begun.isEmpty();
  }

  /** Stages begun or done, in a configuration's order. */
  List<Stage<?>> touched(List<Stage<?>> order) {
    return order.stream()
        .filter(stage -> isDone(stage) || begun.containsKey(stage.name()))
        .toList();
  }

  /** "sft is done, reward has come to step 20". */
  String progress() {
    return Stream.concat(
            done.stream().map(stage -> stage + " is done"),
            begun.entrySet().stream()
                .map(stage -> stage.getKey() + " has come to step " + stage.getValue()))
        .collect(Collectors.joining(", "));
  }

  /** Why a run cannot be started, or gone on with, here; absent when it can. */
  Optional<String> refusal(RunForecast.Purpose purpose) {
    return switch (kind) {
      case FILE -> Optional.of(path + " is a file; name a directory for output");
      case OTHER ->
          Optional.of(
              purpose == RunForecast.Purpose.RESUME
                  ? noRun()
                  : "the output directory "
                      + path
                      + " is not empty; name another one (--set output=DIR) or remove it");
      case FREE -> purpose == RunForecast.Purpose.RESUME ? Optional.of(noRun()) : Optional.empty();
      case RUN ->
          purpose == RunForecast.Purpose.RESUME || !holdsTraining()
              ? Optional.empty()
              : Optional.of(
                  "the output directory "
                      + path
                      + (completed
                          ? " holds a complete run; name another one (--set output=DIR) or remove it"
                          : " holds another run ("
                              + progress()
                              + "); go on with that one (--resume), name another one (--set"
                              + " output=DIR) or remove it"));
    };
  }

  private String noRun() {
    return "there is no run in " + path + " to resume; leave --resume out to start one";
  }
}
