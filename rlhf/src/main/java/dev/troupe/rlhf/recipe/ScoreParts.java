package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.reward.Scores;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What scores of many answers come to as metrics. */
final class ScoreParts {
  private ScoreParts() {}

  /** Those without a score, for a person: a line for each kind of failure. */
  static List<String> notices(long iteration, List<Score> scores) {
    return new Scores(scores)
        .notices().stream().map(notice -> "step " + iteration + ": " + notice).toList();
  }

  /**
   * Means over the answers that have a score: the whole, and each of its parts as {@code
   * rewards.NAME}; the share of them that is right; and the share of all that has none.
   *
   * @param rule name of the part that says whether an answer is right, 1 where it is
   */
  static Map<String, Double> of(List<Score> scores, Optional<String> rule) {
    Averages averages = new Averages();
    for (Score score : scores) {
      averages.add("unscoredFraction", score instanceof Score.Unscored ? 1 : 0);
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
