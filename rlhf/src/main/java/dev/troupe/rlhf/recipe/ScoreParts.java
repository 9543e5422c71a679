package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.port.Score;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/** What scores of many answers come to as metrics. */
final class ScoreParts {
  private ScoreParts() {}

  /** Answers that were left out for want of a score, by the kind of failure; and one of each. */
  static Map<String, String> unscored(List<Score> scores) {
    Map<String, String> reasons = new TreeMap<>();
    for (Score score : scores) {
      if (score instanceof Score.Unscored none) {
        reasons.putIfAbsent(none.reason(), none.detail());
      }
    }
    return reasons;
  }

  /** Share of the answers without a score; empty of none. */
  static OptionalDouble unscoredFraction(List<Score> scores) {
    return scores.stream().mapToDouble(score -> score instanceof Score.Unscored ? 1 : 0).average();
  }

  /** Those without a score for a person. */
  static List<String> notices(long iteration, List<Score> scores) {
    List<String> notices = new ArrayList<>();
    unscored(scores)
        .forEach(
            (reason, detail) ->
                notices.add(
                    String.format(
                        Locale.ROOT,
                        "step %d: answers were left out for want of a score: %s%s",
                        iteration,
                        reason,
                        detail.isEmpty() ? "" : " (" + detail + ")")));
    return notices;
  }

  /**
   * Means over the answers that have a score: the whole, and each of its parts as {@code
   * rewards.NAME}; and the share of all answers that a rule is satisfied by.
   *
   * @param rule name of the part that says whether an answer is right, 1 where it is
   */
  static Map<String, Double> of(List<Score> scores, Optional<String> rule) {
    Averages averages = new Averages();
    for (Score score : scores) {
      if (score instanceof Score.Value value) {
        averages.add("score", value.value());
        Map<String, Double> parts = value.parts();
        parts.forEach((name, part) -> averages.add("rewards." + name, part));
        rule.map(parts::get).ifPresent(right -> averages.add("ruleSatisfied", right >= 1 ? 1 : 0));
      }
    }
    return averages.means();
  }
}
