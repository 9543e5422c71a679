package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.port.Score;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What scores of many answers come to as metrics. */
final class ScoreParts {
  private ScoreParts() {}

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
