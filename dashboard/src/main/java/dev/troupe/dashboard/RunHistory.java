package dev.troupe.dashboard;

import dev.troupe.dashboard.RunView.StageState;
import dev.troupe.dashboard.RunView.State;
import dev.troupe.dashboard.RunView.Timed;
import dev.troupe.protocol.event.MembersChanged;
import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RolloutRecorded;
import dev.troupe.protocol.event.RunCompleted;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.RunStarted;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.TreeMap;

/**
 * Folds a run's events, in order, into a {@link RunView}. Its size is bounded, whatever the run's
 * length. For one thread.
 */
final class RunHistory {
  /** What is said of a lost rollout worker begins so. */
  private static final String OTHERS_ANSWER = "its node ended; others answer its prompts";

  static final int ROLLOUTS = 200;
  static final int NOTICES = 200;

  private final LinkedHashMap<String, StageHistory> stages = new LinkedHashMap<>();
  private final TreeMap<String, Timed<RoleChanged>> actors = new TreeMap<>();
  private final ArrayDeque<Timed<Notice>> notices = new ArrayDeque<>();
  private final TreeMap<String, Long> noticeCounts = new TreeMap<>();
  private final ArrayDeque<Timed<RolloutRecorded>> rollouts = new ArrayDeque<>();
  private List<MembersChanged.Member> members = List.of();
  private RunStarted start = RunStarted.getDefaultInstance();
  private RunCompleted end = RunCompleted.getDefaultInstance();
  private State state = State.WAITING;
  private long sequence;
  private long timeMillis;
  private long startedMillis;
  private long completedMillis;
  private long rolloutCount;
  private final TreeMap<String, Long> recoveries = new TreeMap<>();

  /** Takes up one event; a kind that this version does not know only moves the clock. */
  void apply(RunEvent event) {
    sequence = event.getSequence();
    timeMillis = event.getTimeMillis();
    switch (event.getEventCase()) {
      case RUN_STARTED -> started(event.getRunStarted());
      case STAGE_STARTED ->
          stage(event.getStageStarted().getStage()).started(event.getStageStarted(), timeMillis);
      case STEP_COMPLETED ->
          stage(event.getStepCompleted().getStage()).stepped(event.getStepCompleted(), timeMillis);
      case ROLLOUT_RECORDED -> recorded(event.getRolloutRecorded());
      case ROLE_CHANGED -> {
        RoleChanged actor = event.getRoleChanged();
        actors.put(actor.getRole() + " " + actor.getNode(), timed(actor));
        if (actor.getState().equals("failed") && actor.getActivity().startsWith(OTHERS_ANSWER)) {
          recoveries.merge(RunView.ROLLOUT, 1L, Long::sum);
        }
      }
      case MEMBERS_CHANGED -> members = List.copyOf(event.getMembersChanged().getMembersList());
      case STAGE_COMPLETED ->
          stage(event.getStageCompleted().getStage()).completed(event.getStageCompleted());
      case RUN_COMPLETED -> completed(event.getRunCompleted());
      case NOTICE -> noticed(event.getNotice());
      case EVENT_NOT_SET -> {
        // Of a later version.
      }
    }
  }

  private <T> Timed<T> timed(T value) {
    return new Timed<>(sequence, timeMillis, value);
  }

  private StageHistory stage(String name) {
    return stages.computeIfAbsent(name, StageHistory::new);
  }

  private void started(RunStarted event) {
    if (state == State.RUNNING || state == State.RECOVERING || state == State.FAILED) {
      recoveries.merge(RunView.RUN, 1L, Long::sum);
    }
    start = event;
    end = RunCompleted.getDefaultInstance();
    state = State.RUNNING;
    completedMillis = 0;
    if (startedMillis == 0) {
      startedMillis = timeMillis;
    }
    // Those of the process before are gone.
    actors.clear();
    members = List.of();
    event.getStagesList().forEach(this::stage);
  }

  private void recorded(RolloutRecorded rollout) {
    rolloutCount++;
    rollouts.addFirst(timed(rollout));
    if (rollouts.size() > ROLLOUTS) {
      rollouts.removeLast();
    }
  }

  private void noticed(Notice notice) {
    noticeCounts.merge(notice.getSeverity(), 1L, Long::sum);
    notices.addFirst(timed(notice));
    if (notices.size() > NOTICES) {
      notices.removeLast();
    }
  }

  private void completed(RunCompleted event) {
    end = event;
    completedMillis = event.getOutcome().equals("recovering") ? 0 : timeMillis;
    state =
        switch (event.getOutcome()) {
          case "recovering" -> State.RECOVERING;
          case "completed" -> State.COMPLETED;
          case "cancelled" -> State.CANCELLED;
          default -> State.FAILED;
        };
    StageState interrupted = state == State.FAILED ? StageState.FAILED : StageState.STOPPED;
    stages.values().forEach(stage -> stage.interrupted(interrupted));
  }

  RunView view() {
    return new RunView(
        sequence,
        timeMillis,
        start.getRun(),
        state,
        startedMillis,
        completedMillis,
        end.getMessage(),
        end.getSummaryJson(),
        start.getTroupeVersion(),
        start.getConfiguration(),
        start.getResumed(),
        stages.values().stream().map(StageHistory::view).toList(),
        List.copyOf(actors.values()),
        members,
        List.copyOf(notices),
        Collections.unmodifiableMap(new TreeMap<>(noticeCounts)),
        List.copyOf(rollouts),
        rolloutCount,
        Collections.unmodifiableMap(new TreeMap<>(recoveries)));
  }

  /** What a whole list of events amounts to. */
  static RunView of(Iterable<RunEvent> events) {
    RunHistory history = new RunHistory();
    events.forEach(history::apply);
    return history.view();
  }

  /** Before the first event. */
  static RunView empty() {
    return of(List.of());
  }
}
