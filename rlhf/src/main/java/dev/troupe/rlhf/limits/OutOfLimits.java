package dev.troupe.rlhf.limits;

import java.util.List;
import java.util.stream.Collectors;

/** A configuration record cannot have these values; it says all that is wrong with them. */
public final class OutOfLimits extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  private final transient List<Problem> problems;

  /**
   * One value that is not allowed.
   *
   * @param key of the record, as a configuration file spells it; with dots where it lies deeper
   * @param others keys of the record that decide with it what is allowed
   * @param text what follows the key: "is 0, allowed: at least 1"
   */
  public record Problem(String key, List<String> others, String text) {
    public Problem {
      others = List.copyOf(others);
    }
  }

  OutOfLimits(List<Problem> problems) {
    super(
        problems.stream()
            .map(problem -> problem.key() + " " + problem.text())
            .collect(Collectors.joining("; ")));
    this.problems = List.copyOf(problems);
  }

  /** In the order of the checks. */
  public List<Problem> problems() {
    return problems;
  }
}
