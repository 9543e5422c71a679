package dev.troupe.configuration;

import java.util.List;

/** A configuration that cannot be used; the message names every problem found, with its place. */
public final class ConfigException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final transient List<Problem> problems;

  public ConfigException(List<Problem> problems) {
    super(text(problems));
    this.problems = List.copyOf(problems);
  }

  public ConfigException(String place, String text) {
    this(List.of(new Problem(place, text)));
  }

  /** In the order of the keys. */
  public List<Problem> problems() {
    return problems;
  }

  private static String text(List<Problem> problems) {
    StringBuilder text =
        new StringBuilder(
            problems.size() == 1
                ? "the configuration has 1 problem:"
                : "the configuration has " + problems.size() + " problems:");
    for (Problem problem : problems) {
      text.append("\n  ").append(problem);
    }
    return text.toString();
  }

  /**
   * One thing to correct.
   *
   * @param place file and line, or the command-line option; empty when there is none
   */
  public record Problem(String place, String text) {
    @Override
    public String toString() {
      return place.isEmpty() ? text : place + ": " + text;
    }
  }
}
