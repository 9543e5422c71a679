package dev.troupe.actors.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.EventReader;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RolloutRecorded;
import dev.troupe.protocol.event.RunEvent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunRecorderTest {
  private static final Rollout ROLLOUT =
      new Rollout(
          new Prompt("p-1", "Hello", TokenIds.of(1)),
          TokenIds.of(2, 3),
          "there",
          Floats.of(-1, -2),
          FinishReason.EOS,
          4);

  @TempDir private Path path;

  @Test
  void step_isALineOfMetrics_andNotFiniteIsNull() throws Exception {
    RunDirectory directory = made(path.resolve("run"));
    List<String> heard = new ArrayList<>();
    try (EventLog log = EventLog.open(directory.events())) {
      RunRecorder recorder =
          new RunRecorder(
              log,
              directory,
              (stage, step, total, metrics) -> heard.add(stage + step),
              new AtomicBoolean());
      recorder.step("sft", 1, 2, Map.of("loss", 1.5, "kl", Double.NaN), Map.of("train", 0.25));
      recorder.step("sft", 2, 2, Map.of("loss", 1.0), Map.of());
    }
    assertThat(Files.readAllLines(directory.metrics()))
        .containsExactly(
            "{\"stage\":\"sft\",\"step\":1,\"totalSteps\":2,\"kl\":null,\"loss\":1.5,"
                + "\"phaseSeconds\":{\"train\":0.25}}",
            "{\"stage\":\"sft\",\"step\":2,\"totalSteps\":2,\"loss\":1.0,\"phaseSeconds\":{}}");
    assertThat(heard).containsExactly("sft1", "sft2");
  }

  @Test
  void resume_leavesOutStepsThatWillComeAgain_andAHalfLine() throws Exception {
    RunDirectory directory = made(path.resolve("run"));
    try (EventLog log = EventLog.open(directory.events())) {
      RunRecorder recorder =
          new RunRecorder(log, directory, StepListener.NONE, new AtomicBoolean());
      for (String stage : List.of("sft", "ppo", "dpo")) {
        for (int step = 1; step <= 3; step++) {
          recorder.step(stage, step, 3, Map.of(), Map.of("train", 0.5));
        }
      }
      Files.writeString(directory.metrics(), "{\"stage\":\"ppo\",\"st", StandardOpenOption.APPEND);
      recorder.resume(stage -> Map.of("sft", Long.MAX_VALUE, "ppo", 2L).getOrDefault(stage, 0L));
      assertThat(recorder.phaseSeconds())
          .isEqualTo(Map.of("sft", Map.of("train", 1.5), "ppo", Map.of("train", 1.0)));
      recorder.step("ppo", 3, 3, Map.of(), Map.of());
    }
    assertThat(Files.readAllLines(directory.metrics()))
        .extracting(line -> line.replaceAll(".*stage\":\"(\\w+)\",\"step\":(\\d).*", "$1$2"))
        .containsExactly("sft1", "sft2", "sft3", "ppo1", "ppo2", "ppo3");
  }

  @Test
  void experiences_keepTheFirstEight_tokenByToken() throws Exception {
    RunDirectory directory = made(path.resolve("run"));
    Experience experience =
        new Experience(
            ROLLOUT,
            Optional.of(0.5),
            Optional.of(Floats.of(-1, Float.NEGATIVE_INFINITY)),
            Optional.of(Floats.of(0, 0.5f)),
            Optional.of(Floats.of(1, -1)),
            Optional.of(new Experience.Critic(Floats.of(0, 1), Floats.of(1, 0))));
    try (EventLog log = EventLog.open(directory.events())) {
      new RunRecorder(log, directory, StepListener.NONE, new AtomicBoolean())
          .experiences("ppo", 3, Collections.nCopies(9, experience));
    }
    assertThat(Files.readAllLines(directory.samples()))
        .hasSize(8)
        .containsOnly(
            "{\"stage\":\"ppo\",\"step\":3,\"promptId\":\"p-1\",\"prompt\":\"Hello\","
                + "\"response\":\"there\",\"score\":0.5,\"finish\":\"eos\",\"adapterVersion\":4,"
                + "\"tokens\":[],\"logprobs\":[-1.0,-2.0],\"refLogprobs\":[-1.0,null],"
                + "\"values\":[0.0,1.0],\"rewards\":[0.0,0.5],\"advantages\":[1.0,-1.0]}");
  }

  /** As of GRPO, which has no critic, and of distillation, which has no score. */
  @Test
  void experiences_whatThereIsNot_isAbsent() throws Exception {
    RunDirectory directory = made(path.resolve("run"));
    Experience some =
        new Experience(
            ROLLOUT,
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.of(Floats.of(0, -1)),
            Optional.empty());
    try (EventLog log = EventLog.open(directory.events())) {
      new RunRecorder(log, directory, StepListener.NONE, new AtomicBoolean())
          .experiences("grpo", 1, List.of(some));
    }
    assertThat(Files.readAllLines(directory.samples()))
        .containsExactly(
            "{\"stage\":\"grpo\",\"step\":1,\"promptId\":\"p-1\",\"prompt\":\"Hello\","
                + "\"response\":\"there\",\"finish\":\"eos\",\"adapterVersion\":4,"
                + "\"tokens\":[],\"logprobs\":[-1.0,-2.0],\"advantages\":[0.0,-1.0]}");
    RolloutRecorded recorded;
    try (EventReader reader = EventReader.open(directory.events())) {
      recorded =
          reader.poll(100).stream()
              .filter(RunEvent::hasRolloutRecorded)
              .map(RunEvent::getRolloutRecorded)
              .findFirst()
              .orElseThrow();
    }
    assertThat(recorded.hasScore()).isFalse();
    assertThat(recorded.getValuesCount() + recorded.getRewardsCount()).isZero();
  }

  /** Workers flip side by side; what they had flipped before is not this step's. */
  @Test
  void flip_isTakenOutOfGeneration_asTheLongestOfAllThatSample() throws Exception {
    RunDirectory directory = made(path.resolve("run"));
    try (EventLog log = EventLog.open(directory.events())) {
      RunRecorder recorder =
          new RunRecorder(log, directory, StepListener.NONE, new AtomicBoolean());
      flipped(recorder, "rollout-1", 1.5);
      flipped(recorder, "rollout-2", 2);
      recorder.step("ppo", 1, 2, Map.of(), Map.of("generate", 5.0, "train", 1.0));
      flipped(recorder, "rollout-1", 4);
      recorder.step("ppo", 2, 2, Map.of(), Map.of("generate", 5.0, "train", 1.0));
    }
    assertThat(Files.readAllLines(directory.metrics()))
        .satisfiesExactly(
            line ->
                assertThat(line)
                    .endsWith("\"phaseSeconds\":{\"flip\":2.0,\"generate\":3.0,\"train\":1.0}}"),
            line ->
                assertThat(line)
                    .endsWith("\"phaseSeconds\":{\"flip\":2.5,\"generate\":2.5,\"train\":1.0}}"));
  }

  private static void flipped(RunRecorder recorder, String role, double seconds) {
    recorder.heard(
        RunEvent.newBuilder()
            .setRoleChanged(
                RoleChanged.newBuilder().setRole(role).putPhaseSeconds("flip", seconds)));
  }

  @Test
  void aListenerThatThrows_isReported_andHearsOn() throws Exception {
    RunDirectory directory = made(path.resolve("run"));
    List<Long> heard = new ArrayList<>();
    List<String> notices;
    try (EventLog log = EventLog.open(directory.events())) {
      RunRecorder recorder =
          new RunRecorder(
              log,
              directory,
              (stage, step, total, metrics) -> {
                heard.add(step);
                if (step == 1) {
                  throw new AssertionError("one");
                }
                throw new IllegalStateException("no more " + step);
              },
              new AtomicBoolean());
      for (long step = 1; step <= 3; step++) {
        recorder.step("sft", step, 3, Map.of(), Map.of());
      }
      recorder.stageEnds("sft");
      recorder.stageEnds("reward");
    }
    try (EventReader reader = EventReader.open(directory.events())) {
      notices =
          reader.poll(100).stream()
              .filter(RunEvent::hasNotice)
              .map(event -> event.getNotice().getSeverity() + ": " + event.getNotice().getText())
              .toList();
    }
    assertThat(heard).containsExactly(1L, 2L, 3L);
    assertThat(Files.readAllLines(directory.metrics())).hasSize(3);
    assertThat(notices)
        .containsExactly(
            "warning: the listener failed at step 1: java.lang.AssertionError: one; the run goes on",
            "warning: the listener failed at 3 steps");
  }

  private static RunDirectory made(Path path) throws IOException {
    return new RunDirectory(Files.createDirectories(path));
  }
}
