package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.UpdateResult;
import java.util.Map;
import java.util.TreeMap;

/** How supervised recipes enter and report one step. */
final class Samples {
  static final String UPDATE_SKIPPED = "update skipped";

  private Samples() {}

  /** Samples that came from the data and went through one optimiser step. */
  static void learned(Ledger ledger, long step, int count, boolean applied) {
    for (int i = 0; i < count; i++) {
      String sample = step + "/" + i;
      ledger.issued(sample);
      if (applied) {
        ledger.trained(sample);
      } else {
        ledger.dropped(sample, UPDATE_SKIPPED);
      }
    }
  }

  /**
   * What a step of one update reports.
   *
   * @param tokens that it trained
   */
  static Map<String, Double> metrics(UpdateResult update, long tokens, Phases phases) {
    Map<String, Double> metrics = new TreeMap<>(update.metrics());
    metrics.put("loss", update.loss());
    metrics.put("gradientNorm", update.gradientNorm());
    metrics.put("learningRate", update.learningRate());
    metrics.put("tokensPerSecond", tokens / Math.max(1e-9, phases.of("train")));
    return metrics;
  }
}
