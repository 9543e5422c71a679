package dev.troupe.rlhf.recipe;

import java.util.ArrayList;
import java.util.List;

/** Checks a configuration record's values and reports all that are out of range at once. */
final class Limits {
  private final List<String> problems = new ArrayList<>();

  /** {@code key} as written in a configuration file. */
  Limits atLeast(String key, double value, double minimum) {
    return require(key, value, value >= minimum, "at least " + plain(minimum));
  }

  Limits above(String key, double value, double bound) {
    return require(key, value, value > bound, "above " + plain(bound));
  }

  Limits within(String key, double value, double minimum, double maximum) {
    return require(
        key,
        value,
        value >= minimum && value <= maximum,
        "from " + plain(minimum) + " to " + plain(maximum));
  }

  Limits fraction(String key, double value) {
    return require(key, value, value >= 0 && value < 1, "from 0 up to, not including, 1");
  }

  Limits condition(String key, Object value, boolean holds, String allowed) {
    if (!holds) {
      problems.add(key + " is " + value + ", allowed: " + allowed);
    }
    return this;
  }

  /** Throws when anything was out of range. */
  void verify() {
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException(String.join("; ", problems));
    }
  }

  private Limits require(String key, double value, boolean holds, String allowed) {
    return condition(key, plain(value), holds && Double.isFinite(value), allowed);
  }

  private static String plain(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e9
        ? Long.toString((long) value)
        : Double.toString(value);
  }
}
