package dev.troupe.rlhf.limits;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Checks a configuration record's values and reports all that are out of range at once. */
public final class Limits {
  private final List<OutOfLimits.Problem> problems = new ArrayList<>();

  /** {@code key} as written in a configuration file. */
  public Limits atLeast(String key, double value, double minimum) {
    return require(key, value, value >= minimum, "at least " + plain(minimum));
  }

  public Limits above(String key, double value, double bound) {
    return require(key, value, value > bound, "above " + plain(bound));
  }

  /**
   * @param others keys that a bound comes from
   */
  public Limits within(String key, double value, double minimum, double maximum, String... others) {
    return condition(
        key,
        plain(value),
        value >= minimum && value <= maximum && Double.isFinite(value),
        "from " + plain(minimum) + " to " + plain(maximum),
        others);
  }

  public Limits fraction(String key, double value) {
    return require(key, value, value >= 0 && value < 1, "from 0 up to, not including, 1");
  }

  /**
   * @param value as a person wrote it
   * @param others keys that the condition reads besides
   */
  public Limits condition(
      String key, Object value, boolean holds, String allowed, String... others) {
    if (!holds) {
      problems.add(
          new OutOfLimits.Problem(key, List.of(others), "is " + value + ", allowed: " + allowed));
    }
    return this;
  }

  /**
   * Throws when anything was out of range.
   *
   * @throws OutOfLimits with all of it
   */
  public void verify() {
    if (!problems.isEmpty()) {
      throw new OutOfLimits(problems);
    }
  }

  /** A choice as a configuration file writes it. */
  public static String word(Enum<?> choice) {
    return choice.name().toLowerCase(Locale.ROOT).replace('_', '-');
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
