package dev.troupe.dashboard.tensorboard;

import dev.troupe.dashboard.RunFollower;
import dev.troupe.dashboard.tensorboard.TensorBoardProto.Event;
import dev.troupe.dashboard.tensorboard.TensorBoardProto.Summary;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StepCompleted;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Writes the scalars of a run's steps as a TensorBoard event file, tagged {@code stage/metric} and
 * {@code stage/seconds/phase}, and a stage's results as {@code stage/result/name} at its last step.
 * The file is a projection of the event stream: its name and bytes follow from the events, so
 * attaching to a run again writes the same file anew.
 */
public final class TensorBoardWriter implements AutoCloseable {
  private final Path directory;
  private final Map<String, Long> lastSteps = new TreeMap<>();
  private final RunFollower follower;
  private Path file;

  /** Touched by the follower's thread, and by {@link #close} once that has ended. */
  private @Nullable OutputStream output;

  private TensorBoardWriter(Path runDirectory) {
    directory = runDirectory.resolve("tensorboard");
    file = directory;
    follower = RunFollower.start("troupe-tensorboard", runDirectory, this::write);
  }

  /**
   * Follows a run directory and writes its {@code tensorboard} folder, made with the first event,
   * until it is closed.
   */
  public static TensorBoardWriter start(Path runDirectory) {
    return new TensorBoardWriter(runDirectory);
  }

  /** Takes up the next events of the run. */
  private void write(List<RunEvent> events) {
    try {
      for (RunEvent event : events) {
        write(event);
      }
      if (output != null) {
        output.flush();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write TensorBoard's files in " + directory, e);
    }
  }

  private void write(RunEvent event) throws IOException {
    OutputStream out = output == null ? open(event) : output;
    switch (event.getEventCase()) {
      case STEP_COMPLETED -> {
        StepCompleted step = event.getStepCompleted();
        if (step.getStep() <= lastSteps.getOrDefault(step.getStage(), 0L)) {
          out = withoutStepsFrom(step.getStage(), step.getStep());
        }
        lastSteps.put(step.getStage(), step.getStep());
        Summary.Builder summary = Summary.newBuilder();
        add(summary, step.getStage() + "/", step.getMetricsMap());
        add(summary, step.getStage() + "/seconds/", step.getPhaseSecondsMap());
        write(out, event, step.getStep(), summary);
      }
      case STAGE_COMPLETED -> {
        StageCompleted stage = event.getStageCompleted();
        Summary.Builder summary = Summary.newBuilder();
        add(summary, stage.getStage() + "/result/", stage.getResultsMap());
        write(out, event, lastSteps.getOrDefault(stage.getStage(), 0L), summary);
      }
      default -> {
        // Scalars only.
      }
    }
  }

  private OutputStream open(RunEvent first) throws IOException {
    Files.createDirectories(directory);
    long seconds = first.getTimeMillis() / 1000;
    file =
        directory.resolve(String.format(Locale.ROOT, "events.out.tfevents.%010d.troupe", seconds));
    OutputStream opened = new BufferedOutputStream(Files.newOutputStream(file));
    output = opened;
    TfRecord.write(
        opened,
        Event.newBuilder()
            .setWallTime(first.getTimeMillis() / 1000.0)
            .setFileVersion("brain.Event:2")
            .build()
            .toByteArray());
    return opened;
  }

  /**
   * A resumed run does the steps after its checkpoint again, and TensorBoard would draw both: those
   * done before are taken out of the file.
   */
  private OutputStream withoutStepsFrom(String stage, long step) throws IOException {
    if (output != null) {
      output.close();
    }
    List<byte[]> records = TfRecord.read(Files.readAllBytes(file));
    OutputStream opened = new BufferedOutputStream(Files.newOutputStream(file));
    output = opened;
    for (byte[] record : records) {
      Event event = Event.parseFrom(record);
      boolean again =
          event.getStep() >= step
              && event.getSummary().getValueList().stream()
                  .anyMatch(value -> value.getTag().startsWith(stage + "/"));
      if (!again) {
        TfRecord.write(opened, record);
      }
    }
    return opened;
  }

  /** A number that is not finite is left out: a curve has no point there. */
  private static void add(Summary.Builder summary, String prefix, Map<String, Double> scalars) {
    for (Map.Entry<String, Double> scalar : new TreeMap<>(scalars).entrySet()) {
      if (Double.isFinite(scalar.getValue())) {
        summary.addValue(
            Summary.Value.newBuilder()
                .setTag(prefix + scalar.getKey())
                .setSimpleValue(scalar.getValue().floatValue()));
      }
    }
  }

  private static void write(OutputStream out, RunEvent event, long step, Summary.Builder summary)
      throws IOException {
    if (summary.getValueCount() > 0) {
      TfRecord.write(
          out,
          Event.newBuilder()
              .setWallTime(event.getTimeMillis() / 1000.0)
              .setStep(step)
              .setSummary(summary)
              .build()
              .toByteArray());
    }
  }

  /** Takes up all events written before, then closes the file. */
  @Override
  public void close() {
    follower.close();
    try {
      if (output != null) {
        output.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write TensorBoard's files in " + directory, e);
    }
  }
}
