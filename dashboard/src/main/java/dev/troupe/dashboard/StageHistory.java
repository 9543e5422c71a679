package dev.troupe.dashboard;

import dev.troupe.dashboard.RunView.StageState;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StageStarted;
import dev.troupe.protocol.event.StepCompleted;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/** One stage's part of {@link RunHistory}. */
final class StageHistory {
  /** How many of the latest steps the time left is estimated from. */
  private static final int PACE_STEPS = 20;

  private record Mark(long step, long timeMillis) {}

  private final String name;
  private final TreeMap<String, Series> metrics = new TreeMap<>();
  private final TreeMap<String, Series> phases = new TreeMap<>();
  private final TreeMap<String, Double> latest = new TreeMap<>();
  private final TreeMap<String, Double> phaseSeconds = new TreeMap<>();
  private final ArrayDeque<Mark> marks = new ArrayDeque<>();
  private Map<String, Double> results = Map.of();
  private StageState state = StageState.PENDING;
  private long step;
  private long totalSteps;
  private long startedMillis;
  private OptionalDouble seconds = OptionalDouble.empty();

  StageHistory(String name) {
    this.name = name;
  }

  void started(StageStarted event, long timeMillis) {
    state = StageState.RUNNING;
    totalSteps = event.getTotalSteps();
    startedMillis = timeMillis;
    seconds = OptionalDouble.empty();
    marks.clear();
  }

  void stepped(StepCompleted event, long timeMillis) {
    if (state == StageState.PENDING) {
      state = StageState.RUNNING;
      startedMillis = timeMillis;
    }
    step = event.getStep();
    totalSteps = Math.max(event.getTotalSteps(), step);
    event.getMetricsMap().forEach((metric, value) -> series(metrics, metric).add(step, value));
    latest.putAll(event.getMetricsMap());
    event
        .getPhaseSecondsMap()
        .forEach(
            (phase, value) -> {
              series(phases, phase).add(step, value);
              phaseSeconds.merge(phase, value, Double::sum);
            });
    marks.addLast(new Mark(step, timeMillis));
    if (marks.size() > PACE_STEPS) {
      marks.removeFirst();
    }
  }

  private static Series series(Map<String, Series> all, String name) {
    return all.computeIfAbsent(name, unused -> new Series());
  }

  void completed(StageCompleted event) {
    state = StageState.COMPLETED;
    seconds = OptionalDouble.of(event.getSeconds());
    results = Collections.unmodifiableMap(new TreeMap<>(event.getResultsMap()));
  }

  /** The run ended while this stage was at work. */
  void interrupted(StageState end) {
    if (state == StageState.RUNNING) {
      state = end;
    }
  }

  RunView.Stage view() {
    return new RunView.Stage(
        name,
        state,
        step,
        totalSteps,
        startedMillis,
        seconds,
        secondsLeft(),
        results,
        copy(latest, Function.identity()),
        copy(phaseSeconds, Function.identity()),
        copy(metrics, Series::points),
        copy(phases, Series::points));
  }

  private OptionalDouble secondsLeft() {
    if (state != StageState.RUNNING || marks.size() < 2) {
      return OptionalDouble.empty();
    }
    double steps = marks.getLast().step() - marks.getFirst().step();
    double millis = marks.getLast().timeMillis() - marks.getFirst().timeMillis();
    return steps <= 0
        ? OptionalDouble.empty()
        : OptionalDouble.of(Math.max(0, totalSteps - step) * millis / steps / 1000);
  }

  private static <V, W> Map<String, W> copy(Map<String, V> source, Function<V, W> each) {
    return Collections.unmodifiableMap(
        source.entrySet().stream()
            .collect(
                Collectors.toMap(
                    Map.Entry::getKey,
                    entry -> each.apply(entry.getValue()),
                    (first, second) -> second,
                    TreeMap::new)));
  }
}
