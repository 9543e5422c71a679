package dev.troupe.actors.pipeline;

import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.rlhf.stage.Stage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** The directory that a run leaves its files in: one run, one directory. */
public record RunDirectory(Path path) {
  /** The effective configuration. */
  private static final String CONFIGURATION = "config.conf";

  static final String SUMMARY = "summary.json";

  /** The newest policy. */
  private static final String POLICY = "policy";

  /** What a resume is held to. */
  static final String IDENTITY = "identity.json";

  private static final String FRESH = "fresh";

  /**
   * Notes which run this is, when nothing in the directory was trained yet.
   *
   * @param configuration the effective one, as text
   */
  void begin(String configuration, RunIdentity identity) {
    try {
      remove(path.resolve(FRESH)); // of an earlier start, perhaps of another shape
      note(configuration, identity);
    } catch (IOException e) {
      throw new PipelineException("cannot write to the output directory " + path + ": " + e, e);
    }
  }

  /**
   * Goes on with the run of this directory: as it was started, as far as anything was trained.
   *
   * @throws PipelineException when what was trained depended on something that has changed
   */
  void goOn(String configuration, RunIdentity identity, RunState state, List<Stage<?>> now) {
    try {
      RunIdentity then = RunIdentity.read(path.resolve(IDENTITY));
      List<String> differences = then.differences(identity, state, now);
      if (!differences.isEmpty()) {
        throw new PipelineException(
            "the run in "
                + path
                + " cannot go on, since what it trained depended on something that has changed:\n  "
                + String.join("\n  ", differences)
                + "\nResume it as it was started ("
                + path.resolve(CONFIGURATION)
                + " is its configuration), or start a new run in another directory (--set"
                + " output=DIR); stages that have not begun may change");
      }
      if (!then.equals(identity)) {
        note(configuration, identity);
      }
    } catch (IOException e) {
      throw new PipelineException("cannot read the run in " + path + ": " + e, e);
    }
  }

  /** Whether it holds anything that was trained, to go on from. */
  public boolean holdsTraining() {
    return RunState.of(path).holdsTraining();
  }

  /** Whether a run has left its files there. */
  static boolean isOne(Path path) {
    return Files.exists(path.resolve(CONFIGURATION));
  }

  /** The identity comes first: it is what makes the directory a run's. */
  private void note(String configuration, RunIdentity identity) throws IOException {
    Path writing = path.resolve(IDENTITY + ".writing");
    identity.write(writing);
    DurableFiles.rename(writing, path.resolve(IDENTITY));
    DurableFiles.write(path.resolve(CONFIGURATION), configuration);
  }

  /** The new model that pre-training starts from. */
  Path fresh() {
    return path.resolve(FRESH);
  }

  /** Of an earlier start; absent when there is none. */
  Optional<String> readSummary() {
    try {
      return Optional.of(Files.readString(path.resolve(SUMMARY)));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static void remove(Path tree) throws IOException {
    if (!Files.exists(tree)) {
      return;
    }
    try (Stream<Path> below = Files.walk(tree)) {
      for (Path path : below.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  /** Where a stage's trained role is saved. */
  Path trained(Stage<?> stage) {
    return path.resolve(stage.directory());
  }

  /**
   * Makes {@code policy} a link to what a stage trained: the newest policy of the run, whichever
   * stage it came from.
   *
   * @return whether the file system has links
   */
  boolean linkPolicy(Stage<?> stage) {
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
    DurableFiles.write(path.resolve(SUMMARY), json);
  }
}
