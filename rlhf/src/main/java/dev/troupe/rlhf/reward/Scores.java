package dev.troupe.rlhf.reward;

import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * What a scorer said of a batch: exactly one score per rollout, in their order.
 *
 * @param all of them
 */
public record Scores(List<Score> all) {
  /** What metrics of parts begin with. */
  public static final String METRIC = "rewards.";

  public Scores {
    all = List.copyOf(all);
  }

  /**
   * Asks a scorer, and holds it to its contract.
   *
   * @return fails with {@link ScorerException} when it gives another number of scores, or none
   */
  public static CompletionStage<Scores> of(Scorer scorer, List<Rollout> rollouts) {
    return ask(scorer, rollouts).thenApply(Scores::new);
  }

  /** The same, as it came. */
  static CompletionStage<List<Score>> ask(Scorer scorer, List<Rollout> rollouts) {
    if (rollouts.isEmpty()) {
      return CompletableFuture.completedFuture(List.of());
    }
    List<Rollout> asked = List.copyOf(rollouts);
    return scorer.score(asked).thenApply(scores -> checked(scorer.name(), scores, asked.size()));
  }

  /**
   * One score for each of {@code expected} answers.
   *
   * @param name of who gave them
   * @throws ScorerException when they are not
   */
  public static List<Score> checked(
      String name, @Nullable List<? extends @Nullable Score> scores, int expected) {
    if (scores == null) {
      throw new ScorerException(
          name + " gave null for " + expected + " answers, expected a list of as many scores");
    }
    if (scores.size() != expected) {
      throw new ScorerException(
          name
              + " gave "
              + scores.size()
              + " scores for "
              + expected
              + " answers, expected exactly one for each, in their order; one that cannot be scored"
              + " is to be said so (unscored), not left out");
    }
    for (int i = 0; i < expected; i++) {
      if (scores.get(i) == null) {
        throw new ScorerException(
            name
                + ": its score "
                + (i + 1)
                + " of "
                + expected
                + " is null, expected a number or that the answer cannot be scored (unscored)");
      }
    }
    return List.copyOf(scores);
  }

  /** Means of the parts over the answers that were scored, as {@code rewards.NAME}. */
  public Map<String, Double> metrics() {
    Map<String, double[]> sums = new TreeMap<>();
    for (Score score : all) {
      if (score instanceof Score.Value value) {
        value
            .parts()
            .forEach(
                (part, number) -> {
                  double[] sum = sums.computeIfAbsent(METRIC + part, name -> new double[2]);
                  sum[0] += number;
                  sum[1]++;
                });
      }
    }
    Map<String, Double> means = new TreeMap<>();
    sums.forEach((name, sum) -> means.put(name, sum[0] / sum[1]));
    return means;
  }

  /** How many answers could not be scored, by reason. */
  public Map<String, Integer> failures() {
    Map<String, Integer> counts = new TreeMap<>();
    for (Score score : all) {
      if (score instanceof Score.Unscored unscored) {
        counts.merge(unscored.reason(), 1, Integer::sum);
      }
    }
    return Collections.unmodifiableMap(counts);
  }

  /** A line for a person about each kind of failure, with what happened the first time. */
  public List<String> notices() {
    Map<String, String> details = new LinkedHashMap<>();
    for (Score score : all) {
      if (score instanceof Score.Unscored unscored) {
        details.putIfAbsent(unscored.reason(), unscored.detail());
      }
    }
    return details.entrySet().stream()
        .map(
            failure ->
                failures().get(failure.getKey())
                    + " of "
                    + all.size()
                    + " answers not scored, left out: "
                    + failure.getKey()
                    + (failure.getValue().isEmpty() ? "" : " (" + failure.getValue() + ")"))
        .toList();
  }
}
