package dev.troupe.rlhf.recipe;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** How old a round's answers are, and what waits behind it. */
final class Staleness {
  private Staleness() {}

  /**
   * Nothing where answers are learned from by the weights that sampled them.
   *
   * @param round 1-based, about to be learned from
   * @param waiting the rounds behind it that are begun
   */
  static Map<String, Double> metrics(RolloutsConfig config, long round, List<Underway> waiting) {
    Map<String, Double> metrics = new TreeMap<>();
    if (config.isStale()) {
      metrics.put("staleness", (double) Math.min(config.staleness(), round - 1));
      metrics.put("answersWaiting", (double) waiting.stream().mapToLong(Underway::there).sum());
    }
    return metrics;
  }
}
