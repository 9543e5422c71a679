package dev.troupe.actors.pipeline;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The directory that a run leaves its files in: one run, one directory. */
public record RunDirectory(Path path) {
  /** The effective configuration. */
  private static final String CONFIGURATION = "config.conf";

  private static final String SUMMARY = "summary.json";

  /**
   * Makes the directory for a new run.
   *
   * @throws PipelineException when there is anything in it
   */
  static RunDirectory create(Path path, String configuration) {
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
                    + (Files.exists(path.resolve(CONFIGURATION))
                        ? " holds another run"
                        : " is not empty")
                    + "; name another one (--set output=DIR) or remove it");
          }
        }
      }
      Files.createDirectories(path);
      Files.writeString(path.resolve(CONFIGURATION), configuration);
      return new RunDirectory(path);
    } catch (IOException e) {
      throw new PipelineException("cannot write to the output directory " + path + ": " + e, e);
    }
  }

  /** Where a stage's trained role is saved: policy for the stages that train one. */
  Path trained(PipelineConfig.Stage stage) {
    return switch (stage) {
      case PRETRAIN -> path.resolve("base");
      case SFT -> path.resolve("sft");
      case REWARD -> path.resolve("reward");
      case PPO, DPO -> path.resolve("policy");
    };
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
