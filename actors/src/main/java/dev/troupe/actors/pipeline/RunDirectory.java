package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** The directory that a run leaves its files in: one run, one directory. */
public record RunDirectory(Path path) {
  /** The effective configuration. */
  private static final String CONFIGURATION = "config.conf";

  private static final String SUMMARY = "summary.json";

  /** The newest policy. */
  private static final String POLICY = "policy";

  /** What a resume is held to. */
  private static final String IDENTITY = "identity.json";

  /**
   * Makes the directory for a new run.
   *
   * @throws PipelineException when there is anything in it
   */
  static RunDirectory create(Path path, String configuration, RunIdentity identity) {
    try {
      if (Files.exists(path)) {
        if (!Files.isDirectory(path)) {
          throw new PipelineException(path + " is a file; name a directory for output");
        }
        try (Stream<Path> entries = Files.list(path)) {
          if (entries.findAny().isPresent()) {
            throw new PipelineException(
                "the output directory "
                    + path
                    + (isComplete(path)
                        ? " holds a complete run; name another one (--set output=DIR) or remove it"
                        : Files.exists(path.resolve(CONFIGURATION))
                            ? " holds another run; go on with that one (--resume), name another one"
                                + " (--set output=DIR) or remove it"
                            : " is not empty; name another one (--set output=DIR) or remove it"));
          }
        }
      }
      Files.createDirectories(path);
      Files.writeString(path.resolve(CONFIGURATION), configuration);
      identity.write(path.resolve(IDENTITY));
      return new RunDirectory(path);
    } catch (IOException e) {
      throw new PipelineException("cannot write to the output directory " + path + ": " + e, e);
    }
  }

  /**
   * The directory of a run that was stopped, to go on in.
   *
   * @throws PipelineException when there is none, it is complete, or it is another run
   */
  static RunDirectory resume(Path path, RunIdentity identity) {
    if (!Files.exists(path.resolve(IDENTITY))) {
      throw new PipelineException(
          "there is no run in " + path + " to resume; leave --resume out to start one");
    }
    try {
      if (isComplete(path)) {
        throw new PipelineException(
            "the run in " + path + " is complete; there is nothing to resume");
      }
      List<String> differences = RunIdentity.read(path.resolve(IDENTITY)).differences(identity);
      if (!differences.isEmpty()) {
        throw new PipelineException(
            "the run in "
                + path
                + " was started differently:\n  "
                + String.join("\n  ", differences)
                + "\nResume it as it was started ("
                + path.resolve(CONFIGURATION)
                + " is its configuration), or start a new run in another directory");
      }
      return new RunDirectory(path);
    } catch (IOException e) {
      throw new PipelineException("cannot read the run in " + path + ": " + e, e);
    }
  }

  /** Whether a run has left its files there. */
  static boolean isOne(Path path) {
    return Files.exists(path.resolve(CONFIGURATION));
  }

  private static boolean isComplete(Path path) throws IOException {
    Path summary = path.resolve(SUMMARY);
    return Files.exists(summary)
        && new ObjectMapper()
            .readTree(summary.toFile())
            .path("outcome")
            .asText()
            .equals(RunResult.COMPLETED);
  }

  /** Where a stage's trained role is saved: under the stage's name, the new model as base. */
  Path trained(PipelineConfig.Stage stage) {
    return path.resolve(
        stage == PipelineConfig.Stage.PRETRAIN ? "base" : stage.name().toLowerCase(Locale.ROOT));
  }

  /**
   * Makes {@code policy} a link to what a stage trained: the newest policy of the run, whichever
   * stage it came from.
   *
   * @return whether the file system has links
   */
  boolean linkPolicy(PipelineConfig.Stage stage) {
    Path link = path.resolve(POLICY);
    Path making = path.resolve(POLICY + ".writing");
    try {
      Files.deleteIfExists(making);
      Files.createSymbolicLink(making, Path.of(String.valueOf(trained(stage).getFileName())));
      Files.move(making, link, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      return true;
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  Path events() {
    return path.resolve("events.pb");
  }

  /** One line per step, by the names of docs/metrics.md. */
  Path metrics() {
    return path.resolve("metrics.jsonl");
  }

  /** Some rollouts of each step, token by token. */
  Path samples() {
    return path.resolve("samples.jsonl");
  }

  void writeSummary(String json) throws IOException {
    Files.writeString(path.resolve(SUMMARY), json);
  }
}
