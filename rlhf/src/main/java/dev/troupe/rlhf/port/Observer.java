package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.Experience;
import java.util.List;
import java.util.Map;

/** Hears of a stage's progress. Calls come from the recipe's thread, in order. */
public interface Observer {
  /**
   * A step is done.
   *
   * @param step 1-based
   * @param metrics by the names of docs/metrics.md
   * @param phaseSeconds seconds by phase: generate, score, train, flip
   */
  void step(
      String stage,
      long step,
      long totalSteps,
      Map<String, Double> metrics,
      Map<String, Double> phaseSeconds);

  /** Experiences of a step, for people to look at. */
  void experiences(String stage, long step, List<Experience> experiences);

  /** Something a person should know and may have to act on. */
  void notice(String stage, String text);

  /** Something a person may want to know; nothing is wrong. */
  void info(String stage, String text);

  /** True when the run should stop at the next step boundary. */
  boolean cancelled();
}
