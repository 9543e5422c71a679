package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Which of a stage's states is its result, and when it stops early.
 *
 * @param metric measure of the held-out data that chooses; absent for the last state
 * @param minImprovement how much better than the best so far counts as better
 * @param patience measurements in a row without a better one after which the stage ends; 0 for
 *     never
 */
public record BestConfig(Optional<HeldOutMeasure> metric, double minImprovement, int patience) {
  /** The last state is the result. */
  public static final BestConfig NONE = new BestConfig(Optional.empty(), 0, 0);

  public BestConfig {
    new Limits()
        .atLeast("min-improvement", minImprovement, 0)
        .atLeast("patience", patience, 0)
        .condition(
            "patience",
            patience,
            patience == 0 || metric.isPresent(),
            "0 where best.metric is null: there is nothing to be patient for",
            "metric")
        .verify();
  }

  /** What a stage can honour of it. */
  Limits check(Limits limits, int evaluateEvery, int heldOut, List<HeldOutMeasure> known) {
    metric.ifPresent(
        chosen -> {
          limits.condition(
              "best.metric",
              Limits.word(chosen),
              known.contains(chosen),
              known.stream()
                  .map(Limits::word)
                  .collect(Collectors.joining(", ", known.isEmpty() ? "null" : "null, ", "")));
          limits.condition(
              "evaluate-every",
              evaluateEvery,
              evaluateEvery > 0,
              "at least 1 with best.metric, which is measured then",
              "best.metric");
          limits.condition(
              "held-out",
              heldOut,
              heldOut > 0,
              "at least 1 with best.metric, to measure on",
              "best.metric");
        });
    return limits;
  }
}
