package dev.troupe.dashboard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.dashboard.RunView.Stage;
import dev.troupe.dashboard.RunView.StageState;
import dev.troupe.dashboard.RunView.State;
import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.EventReader;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RunCompleted;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.RunStarted;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RunHistoryTest {
  @TempDir Path directory;
  private SampleRun run;

  @BeforeEach
  void open() {
    run = new SampleRun(directory, Instant.parse("2026-01-01T12:00:00Z"));
  }

  private RunView view() {
    return RunHistory.of(EventReader.readAll(directory.resolve(EventLog.FILE_NAME)));
  }

  @Test
  void view_noEvents_waits() {
    RunView view = view();
    assertThat(view.state()).isEqualTo(State.WAITING);
    assertThat(view.currentStage()).isEmpty();
    assertThat(RunJson.run(view, java.util.Optional.empty()).has("series")).isFalse();
  }

  @Test
  void view_started_listsStagesToCome() {
    run.start();
    RunView view = view();
    assertThat(view.state()).isEqualTo(State.RUNNING);
    assertThat(view.run()).isEqualTo("quickstart");
    assertThat(view.stages()).extracting(Stage::name).containsExactly("sft", "reward", "ppo");
    assertThat(view.stages()).extracting(Stage::state).containsOnly(StageState.PENDING);
    assertThat(view.members()).hasSize(3);
  }

  @Test
  void view_midPpo_foldsAllThatWasSaid() {
    run.writeUntilPpoStep(84);
    RunView view = view();
    assertThat(view.stages())
        .extracting(Stage::state)
        .containsExactly(StageState.COMPLETED, StageState.COMPLETED, StageState.RUNNING);
    Stage ppo = view.currentStage().orElseThrow();
    assertThat(ppo.name()).isEqualTo("ppo");
    assertThat(ppo.step()).isEqualTo(84);
    assertThat(ppo.totalSteps()).isEqualTo(SampleRun.PPO_STEPS);
    assertThat(ppo.metrics()).containsKeys("score", "kl", "policyLoss", "responseLength");
    assertThat(ppo.metrics().get("score")).hasSize(84);
    assertThat(ppo.phases()).containsOnlyKeys("generate", "score", "train", "flip");
    assertThat(ppo.phaseSeconds().get("generate")).isCloseTo(84 * 0.52, within(2.0));
    // 36 steps to go at 1.15 to 1.35 seconds each.
    assertThat(ppo.secondsLeft().orElseThrow()).isBetween(36 * 1.15, 36 * 1.35);
    assertThat(view.stage("sft").orElseThrow().results()).containsEntry("ruleSatisfied", 0.52);
    assertThat(view.actors()).extracting(a -> a.value().getRole()).contains("policy", "critic");
    assertThat(view.noticeCounts()).isEqualTo(Map.of("info", 1L, "warning", 1L));
    assertThat(view.rolloutCount()).isEqualTo(168);
    assertThat(view.rollouts().get(0).value().getStep()).isEqualTo(84);
  }

  @Test
  void view_actorOnSameNode_isReplacedNotAdded() {
    run.writeUntilPpoStep(5);
    assertThat(view().actors()).hasSize(4);
    assertThat(view().actors())
        .filteredOn(a -> a.value().getRole().equals("policy"))
        .singleElement()
        .satisfies(a -> assertThat(a.value().getAdapterVersion()).isEqualTo(6));
  }

  @Test
  void view_longRun_keepsTheNewestRolloutsOnly() {
    run.writeUntilPpoStep(120);
    RunView view = view();
    assertThat(view.rolloutCount()).isEqualTo(240);
    assertThat(view.rollouts()).hasSize(RunHistory.ROLLOUTS);
    assertThat(view.rollout(view.rollouts().get(3).sequence())).isPresent();
    assertThat(view.rollout(1)).isEmpty();
  }

  @Test
  void view_completed_endsTheClock() {
    run.writeUntilPpoStep(120);
    run.complete();
    RunView view = view();
    assertThat(view.state()).isEqualTo(State.COMPLETED);
    assertThat(view.completedMillis()).isEqualTo(view.timeMillis());
    assertThat(view.currentStage().orElseThrow().secondsLeft()).isEmpty();
  }

  @Test
  void view_failed_marksTheStageAtWork() {
    run.writeUntilPpoStep(3);
    run.end("failed", "critic: out of memory");
    RunView view = view();
    assertThat(view.state()).isEqualTo(State.FAILED);
    assertThat(view.message()).isEqualTo("critic: out of memory");
    assertThat(view.stages())
        .extracting(Stage::state)
        .containsExactly(StageState.COMPLETED, StageState.COMPLETED, StageState.FAILED);
  }

  /** The launcher starts its nodes again: no failure until that has failed. */
  @Test
  void view_recovering_isNoFailure_andRunsAgain() {
    run.writeUntilPpoStep(9);
    run.end("recovering", "the critic is lost");
    RunView view = view();
    assertThat(view.state()).isEqualTo(State.RECOVERING);
    assertThat(view.message()).isEqualTo("the critic is lost");
    assertThat(view.completedMillis()).isZero();
    assertThat(view.stage("ppo").orElseThrow().state()).isEqualTo(StageState.STOPPED);
    run.append(
        RunEvent.newBuilder()
            .setRunStarted(RunStarted.newBuilder().setRun("quickstart").setResumed(true)));
    assertThat(view().state()).isEqualTo(State.RUNNING);
    assertThat(view().recoveries()).containsEntry(RunView.RUN, 1L);
  }

  @Test
  void view_resumed_runsAgainWithItsHistory() {
    run.writeUntilPpoStep(9);
    run.end("cancelled", "");
    assertThat(view().stage("ppo").orElseThrow().state()).isEqualTo(StageState.STOPPED);
    run.append(
        RunEvent.newBuilder()
            .setRunStarted(RunStarted.newBuilder().setRun("quickstart").setResumed(true)));
    run.startPpo();
    run.ppo(6);
    RunView view = view();
    assertThat(view.state()).isEqualTo(State.RUNNING);
    assertThat(view.resumed()).isTrue();
    assertThat(view.stage("ppo").orElseThrow().step()).isEqualTo(6);
    assertThat(view.stage("ppo").orElseThrow().metrics().get("score")).hasSize(6);
    assertThat(view.stage("sft").orElseThrow().state()).isEqualTo(StageState.COMPLETED);
  }

  @Test
  void apply_unknownKind_onlyMovesTheClock() {
    RunView view =
        RunHistory.of(List.of(RunEvent.newBuilder().setSequence(1).setTimeMillis(5).build()));
    assertThat(view.sequence()).isEqualTo(1);
    assertThat(view.timeMillis()).isEqualTo(5);
    assertThat(view.state()).isEqualTo(State.WAITING);
  }

  /** By itself or by hand; a stop that was asked for is none. */
  @Test
  void recoveries_areCounted_byWhatWentOn() {
    RunEvent.Builder start = RunEvent.newBuilder().setRunStarted(RunStarted.newBuilder());
    RunHistory history = new RunHistory();
    history.apply(start.build());
    assertThat(history.view().recoveries()).isEmpty();
    // A driver that is killed says nothing; one whose role is lost does.
    history.apply(start.build());
    history.apply(ended("failed"));
    history.apply(start.build());
    history.apply(
        RunEvent.newBuilder()
            .setRoleChanged(
                RoleChanged.newBuilder()
                    .setRole("rollout-1")
                    .setState("failed")
                    .setActivity(
                        "its node ended; others answer its prompts (it was to generate 8)"))
            .build());
    history.apply(ended("cancelled"));
    history.apply(start.build());
    assertThat(history.view().recoveries()).isEqualTo(Map.of("run", 2L, "rollout", 1L));
    assertThat(RunMetrics.text(history.view()))
        .contains("troupe_recoveries_total{what=\"run\"} 2.0")
        .contains("troupe_recoveries_total{what=\"rollout\"} 1.0");
    assertThat(RunJson.run(history.view(), Optional.empty()).get("recoveries"))
        .hasToString("{\"rollout\":1,\"run\":2}");
  }

  private static RunEvent ended(String outcome) {
    return RunEvent.newBuilder()
        .setRunCompleted(RunCompleted.newBuilder().setOutcome(outcome))
        .build();
  }
}
