package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.datatype.jdk8.Jdk8Module;
import dev.troupe.actors.role.Fence;
import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.recipe.StageResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Checkpoints as directories of a run:
 *
 * <pre>
 * checkpoints/ppo/00000012/            of step 12, there only when whole
 *   policy/engine_state.safetensors    what each role wrote
 *   critic/engine_state.safetensors
 *   state.json                         the recipe's counters
 *   manifest.json                      length and SHA-256 of every file above
 * checkpoints/sft/done.json            of a completed stage: its result, and the files it trained
 * </pre>
 *
 * <p>A checkpoint is written beside its place and then renamed, so that a crash leaves either the
 * whole of it or nothing. One that was damaged later is refused, never skipped.
 */
final class RunCheckpoints implements Checkpoints {
  /** The directory in a run's own. */
  static final String DIRECTORY = "checkpoints";

  private static final String STATE = "state.json";
  private static final String MANIFEST = "manifest.json";
  private static final String DONE = "done.json";
  private static final String WRITING = ".writing";

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .addModule(new Jdk8Module())
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  private final Path directory;
  private final PipelineConfig.Checkpointing config;
  private final long driver;
  private final Runnable fence;

  /**
   * @param seconds that the stage has been at work, over all its runs
   * @param needed steps of the checkpoints that this one refers to
   */
  private record Manifest(
      String stage, long step, double seconds, Digests contents, Set<Long> needed) {
    Manifest {
      // Absent in those of earlier versions.
      needed = needed == null ? Set.of() : Set.copyOf(needed);
    }
  }

  private record Completed(double seconds, Digests trained, JsonNode result) {}

  /** A stage that an earlier run completed. */
  record Done<R>(double seconds, R result) {}

  private double secondsBefore;
  private long started = System.nanoTime();

  /** For reading what there is. */
  RunCheckpoints(Path run, PipelineConfig.Checkpointing config) {
    this(run, config, 0, () -> {});
  }

  /**
   * @param run the run's directory
   */
  RunCheckpoints(Path run, PipelineConfig.Checkpointing config, Fence fence) {
    this(run, config, fence.number(), fence::check);
  }

  private RunCheckpoints(
      Path run, PipelineConfig.Checkpointing config, long driver, Runnable fence) {
    this.directory = run.resolve(DIRECTORY);
    this.config = config;
    this.driver = driver;
    this.fence = fence;
  }

  /** A stage starts or goes on: its seconds count from here. */
  void begins(String stage) {
    secondsBefore =
        newestOf(stage).map(checkpoint -> manifest(stage, checkpoint).seconds()).orElse(0.0);
    started = System.nanoTime();
  }

  /** Seconds that the stage has been at work, over all its runs. */
  double seconds() {
    return secondsBefore + (System.nanoTime() - started) / 1e9;
  }

  @Override
  public boolean due(String stage, long step, boolean stopping) {
    return stopping || (config.everySteps() > 0 && step % config.everySteps() == 0);
  }

  @Override
  public String begin(String stage, long step) {
    fence.run();
    Path writing = writing(stage);
    try {
      removeUnfinished(stage);
      Files.createDirectories(writing);
    } catch (IOException e) {
      throw new PipelineException("cannot write the checkpoint " + writing + ": " + e, e);
    }
    return writing.toString();
  }

  @Override
  public void commit(String stage, long step, Record state, Set<Long> needed) {
    Path writing = writing(stage);
    Path place = place(stage, step);
    try {
      if (Digests.of(writing).files().isEmpty()) {
        throw new PipelineException(
            "the roles' checkpoints are not to be seen in "
                + writing
                + " on this machine; let the output directory be on a file system that all nodes"
                + " share (--set output=DIR)");
      }
      JSON.writeValue(writing.resolve(STATE).toFile(), state);
      Manifest manifest = new Manifest(stage, step, seconds(), Digests.of(writing), needed);
      JSON.writeValue(writing.resolve(MANIFEST).toFile(), manifest);
      DurableFiles.syncTree(writing);
      fence.run();
      DurableFiles.rename(writing, place);
      DurableFiles.sync(directory);
      prune(stage);
    } catch (IOException e) {
      throw new PipelineException("cannot write the checkpoint " + place + ": " + e, e);
    }
  }

  /** Keeps the newest ones, and those that they refer to. */
  private void prune(String stage) throws IOException {
    List<Path> all = all(stage);
    List<Path> newest = all.subList(Math.max(0, all.size() - config.keep()), all.size());
    Set<Long> needed = new HashSet<>();
    for (Path checkpoint : newest) {
      needed.addAll(manifest(stage, checkpoint).needed());
    }
    for (Path old : all) {
      if (!newest.contains(old) && !needed.contains(step(old))) {
        remove(old);
      }
    }
  }

  @Override
  public OptionalLong newestBefore(String stage, long step) {
    return all(stage).stream().mapToLong(RunCheckpoints::step).filter(it -> it < step).max();
  }

  @Override
  public String directory(String stage, long step) {
    Path checkpoint = place(stage, step);
    if (!Files.isDirectory(checkpoint)) {
      throw new PipelineException(
          String.format(
              Locale.ROOT,
              "the checkpoint %s is gone, and a later one refers to it as the stage's best state; put it back, or remove %s to have stage %s start again",
              checkpoint,
              directory.resolve(stage),
              stage));
    }
    undamaged(stage, checkpoint);
    return checkpoint.toString();
  }

  @Override
  public void discard(String stage, long from) {
    fence.run();
    try {
      for (Path checkpoint : all(stage)) {
        if (step(checkpoint) >= from) {
          remove(checkpoint);
        }
      }
    } catch (IOException e) {
      throw new PipelineException("cannot remove checkpoints of stage " + stage + ": " + e, e);
    }
  }

  /** Each driver's own: a node of one that was replaced may still be writing into its. */
  private Path writing(String stage) {
    return directory.resolve(stage).resolve(WRITING + "-" + driver);
  }

  /** What this driver or others left of checkpoints that did not come to be. */
  private void removeUnfinished(String stage) throws IOException {
    Path ofStage = directory.resolve(stage);
    if (!Files.isDirectory(ofStage)) {
      return;
    }
    List<Path> unfinished;
    try (Stream<Path> entries = Files.list(ofStage)) {
      unfinished = entries.filter(entry -> name(entry).startsWith(WRITING)).toList();
    }
    for (Path one : unfinished) {
      try {
        remove(one);
      } catch (IOException e) {
        if (one.equals(writing(stage))) {
          throw e;
        }
        // Somebody who should not is writing there still; it is in nobody's way.
      }
    }
  }

  private Path place(String stage, long step) {
    return directory.resolve(stage).resolve(String.format(Locale.ROOT, "%08d", step));
  }

  private static long step(Path checkpoint) {
    return Long.parseLong(name(checkpoint));
  }

  private void undamaged(String stage, Path checkpoint) {
    try {
      Optional<String> damage = manifest(stage, checkpoint).contents().damage(checkpoint);
      if (damage.isPresent()) {
        throw damaged(stage, checkpoint, damage.get());
      }
    } catch (IOException e) {
      throw new PipelineException("cannot read the checkpoint " + checkpoint + ": " + e, e);
    }
  }

  @Override
  public <S extends Record> Optional<Saved<S>> latest(String stage, Class<S> type) {
    Optional<Path> newest = newestOf(stage);
    if (newest.isEmpty()) {
      return Optional.empty();
    }
    Path checkpoint = newest.get();
    undamaged(stage, checkpoint);
    try {
      return Optional.of(
          new Saved<>(
              checkpoint.toString(), JSON.readValue(checkpoint.resolve(STATE).toFile(), type)));
    } catch (JsonProcessingException e) {
      throw new PipelineException(
          String.format(
              Locale.ROOT,
              "the checkpoint %s was written by another version of Troupe: %s %s",
              checkpoint,
              STATE,
              e.getOriginalMessage()),
          e);
    } catch (IOException e) {
      throw new PipelineException("cannot read the checkpoint " + checkpoint + ": " + e, e);
    }
  }

  /** The step to go on after: 0 when there is no checkpoint. */
  long step(String stage) {
    return newest(stage).orElse(0);
  }

  /** Notes that a stage is complete; its checkpoints are not needed any more. */
  void complete(String stage, Path trained, StageResult result) {
    fence.run();
    Path done = directory.resolve(stage).resolve(DONE);
    try {
      Files.createDirectories(directory.resolve(stage));
      // What it names is on the disk before it is.
      DurableFiles.syncTree(trained);
      DurableFiles.write(
          done,
          JSON.writeValueAsString(
              new Completed(seconds(), Digests.of(trained), JSON.valueToTree(result))));
      for (Path checkpoint : all(stage)) {
        remove(checkpoint);
      }
    } catch (IOException e) {
      throw new PipelineException("cannot write " + done + ": " + e, e);
    }
  }

  boolean isComplete(String stage) {
    return Files.exists(directory.resolve(stage).resolve(DONE));
  }

  /**
   * What an earlier run made of a stage.
   *
   * @param trained where it saved what it trained
   * @throws PipelineException when what it trained is not as it was left
   */
  <R extends StageResult> Optional<Done<R>> completed(String stage, Path trained, Class<R> type) {
    Path done = directory.resolve(stage).resolve(DONE);
    if (!Files.exists(done)) {
      return Optional.empty();
    }
    try {
      Completed completed = JSON.readValue(done.toFile(), Completed.class);
      Optional<String> damage = completed.trained().damage(trained);
      if (damage.isPresent()) {
        throw new PipelineException(
            String.format(
                Locale.ROOT,
                "what stage %s trained is not as it was left: in %s, %s. Put it back, or remove %s to have the stage run again",
                stage,
                trained,
                damage.get(),
                done));
      }
      return Optional.of(
          new Done<>(completed.seconds(), JSON.treeToValue(completed.result(), type)));
    } catch (IOException e) {
      throw new PipelineException(
          String.format(
              Locale.ROOT,
              "cannot read %s: %s. Remove it to have stage %s run again",
              done,
              e instanceof JsonProcessingException json ? JsonFile.fault(json) : e,
              stage),
          e);
    }
  }

  private Manifest manifest(String stage, Path checkpoint) {
    Path file = checkpoint.resolve(MANIFEST);
    if (!Files.exists(file)) {
      throw damaged(stage, checkpoint, MANIFEST + " is missing");
    }
    try {
      return JSON.readValue(file.toFile(), Manifest.class);
    } catch (IOException e) {
      throw damaged(stage, checkpoint, MANIFEST + " cannot be read");
    }
  }

  private PipelineException damaged(String stage, Path checkpoint, String damage) {
    List<Path> all = all(stage);
    int at = all.indexOf(checkpoint);
    String before =
        at > 0
            ? "resume from step " + step(all.get(at - 1))
            : "have stage " + stage + " start again";
    return new PipelineException(
        String.format(
            Locale.ROOT,
            "the checkpoint %s is damaged: %s. Remove that directory to %s",
            checkpoint,
            damage,
            before));
  }

  private Optional<Path> newestOf(String stage) {
    List<Path> all = all(stage);
    return all.isEmpty() ? Optional.empty() : Optional.of(all.get(all.size() - 1));
  }

  /** Oldest first. */
  private List<Path> all(String stage) {
    Path ofStage = directory.resolve(stage);
    if (!Files.isDirectory(ofStage)) {
      return List.of();
    }
    try (Stream<Path> entries = Files.list(ofStage)) {
      return new ArrayList<>(
          entries
              .filter(entry -> name(entry).matches("\\d{8,}"))
              .sorted(Comparator.comparingLong(RunCheckpoints::step))
              .toList());
    } catch (IOException e) {
      throw new PipelineException("cannot read " + ofStage + ": " + e, e);
    }
  }

  private static String name(Path path) {
    return String.valueOf(path.getFileName());
  }

  private static void remove(Path tree) throws IOException {
    if (!Files.exists(tree)) {
      return;
    }
    List<Path> below;
    try (Stream<Path> walk = Files.walk(tree)) {
      below = walk.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path path : below) {
      Files.delete(path);
    }
  }
}
