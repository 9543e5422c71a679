package dev.troupe.models.peft;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Ranks and alphas that are the same for all layers but for patterns. */
final class Ranks {
  private Ranks() {}

  /**
   * The patterns of ranks, in their order.
   *
   * @throws IllegalArgumentException when a number is out of range, or a pattern is none
   */
  static Map<String, Integer> checked(
      int rank, double alpha, Map<String, Integer> ranks, Map<String, Double> alphas) {
    AdapterKeys.require(rank >= 1, "r must be at least 1, found " + rank);
    AdapterKeys.require(Double.isFinite(alpha), "alpha must be a finite number, found " + alpha);
    ranks.forEach(
        (key, value) ->
            AdapterKeys.require(
                value >= 1, "rank_pattern '" + key + "' must be at least 1, found " + value));
    alphas.forEach(
        (key, value) ->
            AdapterKeys.require(
                Double.isFinite(value),
                "alpha_pattern '" + key + "' must be a finite number, found " + value));
    ranks.keySet().forEach(NamePattern::ofEnd);
    alphas.keySet().forEach(NamePattern::ofEnd);
    return ordered(ranks);
  }

  static <T> Map<String, T> ordered(Map<String, T> patterns) {
    return Collections.unmodifiableMap(new LinkedHashMap<>(patterns));
  }
}
