package dev.troupe.rlhf.port;

import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** What came of scoring one answer. */
public sealed interface Score {
  /**
   * A score.
   *
   * @param value what is learned from; finite
   * @param parts numbers that it was made of, by names that metrics show; finite
   */
  record Value(double value, SortedMap<String, Double> parts) implements Score {
    public Value {
      parts = Collections.unmodifiableSortedMap(new TreeMap<>(parts));
      if (!Double.isFinite(value) || !parts.values().stream().allMatch(Double::isFinite)) {
        throw new IllegalArgumentException(
            "a score of " + value + " with the parts " + parts + " is not finite");
      }
    }
  }

  /**
   * The answer could not be scored. It is left out and counted, which is not a score of 0.
   *
   * @param reason a kind of failure, by which is counted
   * @param detail what happened this time, for a person; may be empty
   */
  record Unscored(String reason, String detail) implements Score {}

  /** A number alone; one that is not finite is no score. */
  static Score of(double value) {
    return of(value, Map.of());
  }

  /** A number and what it was made of; with one that is not finite it is no score. */
  static Score of(double value, Map<String, Double> parts) {
    if (!Double.isFinite(value)) {
      return new Unscored("not a finite number", Double.toString(value));
    }
    for (Map.Entry<String, Double> part : parts.entrySet()) {
      if (!Double.isFinite(part.getValue())) {
        return new Unscored("not a finite number", part.getKey() + " is " + part.getValue());
      }
    }
    return new Value(value + 0.0, new TreeMap<>(parts)); // −0 is 0
  }

  /** 1 for right, 0 for wrong. */
  static Score of(boolean right) {
    return of(right ? 1 : 0);
  }

  /** A failure without more to say. */
  static Score unscored(String reason) {
    return new Unscored(reason, "");
  }
}
