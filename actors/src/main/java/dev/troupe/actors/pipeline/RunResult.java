package dev.troupe.actors.pipeline;

import dev.troupe.rlhf.recipe.StageResult;
import java.nio.file.Path;
import java.util.Map;

/**
 * How a run ended.
 *
 * @param outcome completed or cancelled
 * @param results each stage's result record, by stage name, in order
 * @param summaryJson what summary.json holds
 */
public record RunResult(
    String outcome, Path directory, Map<String, StageResult> results, String summaryJson) {
  /** All stages ran to their end. */
  public static final String COMPLETED = "completed";

  /** A stage failed; of summary.json alone, for then there is no result. */
  static final String FAILED = "failed";

  /** A stage failed, and the run is taken up again at once; of an event alone. */
  static final String RECOVERING = "recovering";

  /** The run was stopped; it can be resumed. */
  public static final String CANCELLED = "cancelled";
}
