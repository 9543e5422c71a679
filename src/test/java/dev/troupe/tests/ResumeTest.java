package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.PipelineException;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.Troupe;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that was stopped, however often and however hard, ends as if it had not been. */
class ResumeTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path directory;
  private static Path straight;

  @BeforeAll
  static void runStraight() throws Exception {
    straight = directory.resolve("straight");
    assertThat(outcome(Pipeline.start(config(straight), "", StepListener.NONE)))
        .isEqualTo(RunResult.COMPLETED);
  }

  private static List<String> overrides(Path output) {
    List<String> overrides = new ArrayList<>(Quickstarts.shortened(output));
    // The best state is the result: what a resume must find again.
    overrides.addAll(
        List.of(
            "ppo.iterations=3",
            "ppo.evaluate-every=1",
            "ppo.best.metric=score",
            "checkpoints.every-steps=2"));
    return overrides;
  }

  private static PipelineConfig config(Path output, String... more) {
    List<String> overrides = new ArrayList<>(overrides(output));
    overrides.addAll(List.of(more));
    return PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides).value();
  }

  private static String outcome(RunHandle handle) throws Exception {
    return handle.result().get().outcome();
  }

  @Test
  void cancelledInEveryStage_thenResumed_endsWithTheSameBytes() throws Exception {
    Path output = directory.resolve("cancelled");
    assertThat(outcome(cancelledAt(output, "sft", 3, true))).isEqualTo(RunResult.CANCELLED);
    assertThat(outcome(cancelledAt(output, "reward", 2, false))).isEqualTo(RunResult.CANCELLED);
    assertThat(outcome(cancelledAt(output, "ppo", 1, false))).isEqualTo(RunResult.CANCELLED);
    RunResult result = Pipeline.resume(config(output), "", StepListener.NONE).result().get();
    assertThat(result.outcome()).isEqualTo(RunResult.COMPLETED);
    assertThat(result.results()).containsOnlyKeys("sft", "reward", "ppo");
    assertSameAsStraight(output);
    // Of a complete run the result is there at once, unless what it depended on has changed.
    RunHandle again = Pipeline.resume(config(output), "", StepListener.NONE);
    assertThat(again.result()).isCompleted();
    assertThat(again.result().get().results()).isEqualTo(result.results());
    assertThatThrownBy(() -> Pipeline.resume(config(output, "sft.epochs=2"), "", StepListener.NONE))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("sft.epochs was 1, is 2 (stage sft, which is done, depends on it)");
  }

  /** A checkpoint has the answers that were sampled ahead. */
  @Test
  void roundsSampledAhead_areKept_andLearnedFromAfterwards() throws Exception {
    String[] stale = {"stages=[reward,ppo]", "ppo.iterations=4", "rollouts.staleness=2"};
    Path whole = directory.resolve("stale");
    Pipeline.start(config(whole, stale), "", StepListener.NONE).result().get();
    Path output = directory.resolve("stale-cancelled");
    assertThat(outcome(cancelledAt(output, "ppo", 1, true, stale))).isEqualTo(RunResult.CANCELLED);
    assertThat(outcome(cancelledAt(output, "ppo", 2, false, stale))).isEqualTo(RunResult.CANCELLED);
    assertThat(
            Pipeline.resume(config(output, stale), "", StepListener.NONE).result().get().outcome())
        .isEqualTo(RunResult.COMPLETED);
    for (String stage : List.of("reward", "ppo", "policy")) {
      assertThat(output.resolve(stage).resolve("adapter_model.safetensors"))
          .hasSameBinaryContentAs(whole.resolve(stage).resolve("adapter_model.safetensors"));
    }
    assertThat(metrics(output)).isEqualTo(metrics(whole));
    assertThat(samples(output)).isEqualTo(samples(whole));
    assertThat(results(output)).isEqualTo(results(whole));
    assertThatThrownBy(
            () ->
                Pipeline.resume(
                    config(output, "stages=[reward,ppo]", "ppo.iterations=4"),
                    "",
                    StepListener.NONE))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("rollouts.staleness was 2, is 0");
  }

  private static RunHandle cancelledAt(
      Path output, String stage, long step, boolean first, String... more) {
    CompletableFuture<RunHandle> started = new CompletableFuture<>();
    StepListener listener =
        (atStage, atStep, total, metrics) -> {
          if (atStage.equals(stage) && atStep == step) {
            started.join().cancel();
          }
        };
    RunHandle handle =
        first
            ? Pipeline.start(config(output, more), "", listener)
            : Pipeline.resume(config(output, more), "", listener);
    started.complete(handle);
    return handle;
  }

  @Test
  void otherConfiguration_isRefusedForStagesBegun_andTakenForThoseToCome() throws Exception {
    Path output = directory.resolve("other");
    cancelledAt(output, "sft", 1, true).result().get();
    String[] toCome = {"ppo.kl.coefficient=0.5", "dashboard.port=1", "stages=[sft]"};
    assertThatThrownBy(
            () ->
                Pipeline.resume(
                    config(output, "ppo.iterations=9", "sft.optimizer.beta1=0.5"),
                    "",
                    StepListener.NONE))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("sft.optimizer.beta1 was 0.9, is 0.5 (stage sft, which has begun")
        .hasMessageNotContaining("ppo");
    assertThat(outcome(Pipeline.resume(config(output, toCome), "", StepListener.NONE)))
        .isEqualTo(RunResult.COMPLETED);
    assertThat(Files.readString(output.resolve("identity.json")))
        .contains("\"stages\" : \"[\\\"sft\\\"]\"")
        .as("of stages that it has not")
        .doesNotContain("ppo.");
    // A stage more is a stage to come; the adapter of the one that is done stays as it is.
    assertThat(output.resolve("sft/adapter_model.safetensors"))
        .hasSameBinaryContentAs(straight.resolve("sft/adapter_model.safetensors"));
    String[] more = {"stages=[sft,reward]", "reward.optimizer.beta1=0.5"};
    RunResult result = Pipeline.resume(config(output, more), "", StepListener.NONE).result().get();
    assertThat(result.results()).containsOnlyKeys("sft", "reward");
  }

  @Test
  void aRunThatTrainedNothing_isInNobodysWay() throws Exception {
    Path output = directory.resolve("nothing");
    RunHandle handle = Pipeline.start(config(output, "stages=[sft]"), "", StepListener.NONE);
    handle.cancel(); // before its first step, most likely; else there is something to go on from
    handle.result().get();
    if (!handle.holdsTraining()) {
      assertThat(
              outcome(
                  Pipeline.start(
                      config(output, "stages=[sft]", "sft.epochs=2", "seed=3"),
                      "",
                      StepListener.NONE)))
          .isEqualTo(RunResult.COMPLETED);
    }
  }

  /** The second process is killed in PPO, before the first checkpoint there. */
  @Test
  void interruptedThenKilled_thenResumedByCommand_endsWithTheSameBytes() throws Exception {
    Path output = directory.resolve("interrupted");
    Process run = troupe(output);
    AtomicReference<String> seen = new AtomicReference<>("");
    readUntil(run, seen, line -> line.startsWith("reward "));
    interrupt(run);
    readUntil(run, seen, line -> false);
    assertThat(run.waitFor()).as(seen.get()).isEqualTo(130);
    assertThat(seen.get())
        .contains("stopping at the next step (Ctrl-C again: at once)")
        .contains("stopped before its end; to go on: ./troupe run ")
        .contains(" --resume");
    assertThat(JSON.readTree(output.resolve("summary.json").toFile()).path("outcome").asText())
        .isEqualTo("cancelled");

    Process killed = troupe(output, "--resume");
    readUntil(killed, seen, line -> line.startsWith("ppo ") && line.contains("1/3"));
    killed.destroyForcibly().waitFor();
    assertThat(output.resolve("summary.json")).content().doesNotContain("completed");

    Process resumed = troupe(output, "--resume");
    seen.set("");
    readUntil(resumed, seen, line -> false);
    assertThat(resumed.waitFor()).as(seen.get()).isZero();
    assertThat(seen.get())
        .contains("note (sft): done before, taken over")
        .contains("note (reward): done before, taken over");
    assertSameAsStraight(output);
  }

  private static void interrupt(Process process) throws Exception {
    assertThat(new ProcessBuilder("kill", "-INT", "" + process.pid()).start().waitFor()).isZero();
  }

  private static Process troupe(Path output, String... more) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                // They live for seconds, and most of their work is native.
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Troupe.class.getName(),
                "run",
                Quickstarts.CONFIGURATION.toString()));
    overrides(output).forEach(override -> command.addAll(List.of("--set", override)));
    command.addAll(List.of(more));
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }

  private static void readUntil(
      Process process, AtomicReference<String> seen, java.util.function.Predicate<String> last)
      throws IOException {
    BufferedReader reader = process.inputReader();
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      seen.set(seen.get() + line + "\n");
      if (last.test(line)) {
        return;
      }
    }
  }

  /** Weights to the byte; every step's metrics once and equal; the same books and figures. */
  private static void assertSameAsStraight(Path output) throws IOException {
    for (String stage : List.of("sft", "reward", "ppo", "policy")) {
      assertThat(output.resolve(stage).resolve("adapter_model.safetensors"))
          .hasSameBinaryContentAs(straight.resolve(stage).resolve("adapter_model.safetensors"));
    }
    assertThat(metrics(output)).isEqualTo(metrics(straight));
    assertThat(samples(output)).isEqualTo(samples(straight));
    assertThat(results(output)).isEqualTo(results(straight));
  }

  private static List<String> metrics(Path run) throws IOException {
    return Files.readAllLines(run.resolve("metrics.jsonl")).stream()
        .map(
            line ->
                line.replaceAll(
                    "\"(phaseSeconds\":\\{[^}]*}|(tokensPerSecond|answersWaiting)\":[^,}]*,?)", ""))
        .toList();
  }

  private static List<String> samples(Path run) throws IOException {
    return Files.readAllLines(run.resolve("samples.jsonl"));
  }

  private static String results(Path run) throws IOException {
    return JSON.readTree(run.resolve("summary.json").toFile())
        .path("stages")
        .toPrettyString()
        .replaceAll("\"seconds\" : .*", "")
        .replaceAll("(?s)\"phaseSeconds\" : \\{[^}]*}", "");
  }
}
