package dev.troupe.actors.pipeline;

import java.util.Map;

/** Hears of each step of a run; called on the run's thread. */
@FunctionalInterface
public interface StepListener {
  /** Does not listen. */
  StepListener NONE = (stage, step, totalSteps, metrics) -> {};

  /** Metrics by the names of docs/metrics.md. */
  void step(String stage, long step, long totalSteps, Map<String, Double> metrics);
}
