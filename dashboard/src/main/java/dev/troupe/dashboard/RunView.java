package dev.troupe.dashboard;

import dev.troupe.protocol.event.MembersChanged;
import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RolloutRecorded;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * All that is known of a run at one moment. Immutable; {@link RunHistory} makes it from events.
 *
 * @param sequence number of the last event; 0 before the first
 * @param timeMillis of the last event, Unix time
 * @param startedMillis of the first start; 0 before it
 * @param completedMillis 0 until the end
 * @param message of the end; empty before it and for a plain success
 * @param actors in the order of their names
 * @param notices newest first, bounded
 * @param noticeCounts by severity, all of them
 * @param rollouts newest first, bounded
 * @param rolloutCount all of them
 * @param recoveries how often it went on after something was lost, by what did: {@value #RUN} or
 *     {@value #ROLLOUT}
 */
record RunView(
    long sequence,
    long timeMillis,
    String run,
    State state,
    long startedMillis,
    long completedMillis,
    String message,
    String summaryJson,
    String version,
    String configuration,
    boolean resumed,
    List<Stage> stages,
    List<Timed<RoleChanged>> actors,
    List<MembersChanged.Member> members,
    List<Timed<Notice>> notices,
    Map<String, Long> noticeCounts,
    List<Timed<RolloutRecorded>> rollouts,
    long rolloutCount,
    Map<String, Long> recoveries) {
  /** The run was taken up again, after its driver, a role or the machine was lost. */
  static final String RUN = "run";

  /** Others answered what a lost rollout worker had. */
  static final String ROLLOUT = "rollout";

  enum State {
    WAITING,
    RUNNING,
    /** A node of it was lost, and it is about to be taken up again. */
    RECOVERING,
    COMPLETED,
    CANCELLED,
    FAILED
  }

  /** A part of an event, with the number and time of the event. */
  record Timed<T>(long sequence, long timeMillis, T value) {}

  /**
   * One stage.
   *
   * @param startedMillis of the latest start; 0 before it
   * @param seconds it took, once it is complete
   * @param secondsLeft estimated from the latest steps
   * @param results what it reported at its end
   * @param latest the newest value of each metric
   * @param phaseSeconds summed over its steps
   * @param metrics over steps, by name
   * @param phases seconds over steps, by name
   */
  record Stage(
      String name,
      StageState state,
      long step,
      long totalSteps,
      long startedMillis,
      OptionalDouble seconds,
      OptionalDouble secondsLeft,
      Map<String, Double> results,
      Map<String, Double> latest,
      Map<String, Double> phaseSeconds,
      Map<String, List<Series.Point>> metrics,
      Map<String, List<Series.Point>> phases) {}

  enum StageState {
    PENDING,
    RUNNING,
    COMPLETED,
    STOPPED,
    FAILED
  }

  /** The stage at work, or the last one that was. */
  Optional<Stage> currentStage() {
    return stages.stream()
        .filter(stage -> stage.state() != StageState.PENDING)
        .reduce((first, second) -> second)
        .or(() -> stages.stream().findFirst());
  }

  Optional<Stage> stage(String name) {
    return stages.stream().filter(stage -> stage.name().equals(name)).findFirst();
  }

  Optional<Timed<RolloutRecorded>> rollout(long id) {
    return rollouts.stream().filter(rollout -> rollout.sequence() == id).findFirst();
  }
}
