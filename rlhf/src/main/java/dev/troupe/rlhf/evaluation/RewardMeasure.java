package dev.troupe.rlhf.evaluation;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.recipe.Proportion;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What sampled answers are worth. Answers to one problem are alike, so intervals are over problems:
 * of the means of each problem's answers by Student's t; of shares by Wilson with as many trials as
 * there are problems, which is at least as wide as it has to be.
 *
 * @param problems that were answered
 * @param answers to all of them
 * @param score the weighted sum of all rewards
 * @param parts each reward alone, without its weight
 * @param right share of the answers that are right; absent where nothing says what is
 * @param passAtK of the problems with k answers that could be scored, by k; likewise
 * @param leftOut answers that could not be scored, and problems without enough that could, by
 *     reason
 * @param length of an answer, in tokens that were sampled; of those that did not fail
 * @param ended share of the answers that ended by themselves, of the same
 * @param episodes of answers in an environment
 */
public record RewardMeasure(
    int problems,
    int answers,
    Mean score,
    SortedMap<String, Mean> parts,
    Optional<Proportion> right,
    SortedMap<Integer, Proportion> passAtK,
    SortedMap<String, Integer> leftOut,
    Mean length,
    Proportion ended,
    Optional<EpisodeMeasure> episodes) {
  public RewardMeasure {
    parts = Collections.unmodifiableSortedMap(new TreeMap<>(parts));
    passAtK = Collections.unmodifiableSortedMap(new TreeMap<>(passAtK));
    leftOut = Collections.unmodifiableSortedMap(new TreeMap<>(leftOut));
  }

  /**
   * Sums up.
   *
   * @param answered at least one problem, with one answer or more each
   * @param rule the reward that says what is right, by giving 1; absent where none does
   * @param ks the k's of pass@k
   * @throws MeasureException when no answer could be scored
   */
  public static RewardMeasure of(List<Answered> answered, Optional<String> rule, List<Integer> ks) {
    SortedMap<String, Integer> leftOut = new TreeMap<>();
    for (Answered problem : answered) {
      for (Score score : problem.scores()) {
        if (score instanceof Score.Unscored unscored) {
          leftOut.merge(unscored.reason(), 1, Integer::sum);
        }
      }
    }
    List<Answered> scored = answered.stream().filter(each -> !each.scored().isEmpty()).toList();
    if (scored.isEmpty()) {
      throw new MeasureException(
          "rewards: none of the answers could be scored: "
              + leftOut.entrySet().stream()
                  .map(reason -> reason.getKey() + " (" + reason.getValue() + ")")
                  .collect(Collectors.joining(", ")));
    }
    Map<String, List<Double>> parts = new TreeMap<>();
    List<Double> scores = new ArrayList<>();
    for (Answered problem : scored) {
      scores.add(mean(problem.scored().stream().map(Score.Value::value).toList()));
      Map<String, List<Double>> own = new TreeMap<>();
      problem
          .scored()
          .forEach(
              value ->
                  value
                      .parts()
                      .forEach(
                          (name, part) ->
                              own.computeIfAbsent(name, it -> new ArrayList<>()).add(part)));
      own.forEach(
          (name, values) -> parts.computeIfAbsent(name, it -> new ArrayList<>()).add(mean(values)));
    }
    SortedMap<String, Mean> means = new TreeMap<>();
    parts.forEach((name, values) -> means.put(name, Mean.of(values)));
    SortedMap<Integer, Proportion> pass = new TreeMap<>();
    if (rule.isPresent()) {
      for (int k : ks) {
        passAtK(answered, rule.get(), k, leftOut).ifPresent(share -> pass.put(k, share));
      }
    }
    return new RewardMeasure(
        answered.size(),
        answered.stream().mapToInt(each -> each.answers().size()).sum(),
        Mean.of(scores),
        means,
        rule.map(name -> right(scored, name)),
        pass,
        leftOut,
        Mean.of(answered.stream().flatMapToDouble(each -> length(each).stream()).boxed().toList()),
        share(answered.stream().flatMapToDouble(each -> ended(each).stream()).boxed().toList()),
        EpisodeMeasure.of(answered));
  }

  private static Proportion right(List<Answered> scored, String rule) {
    return share(
        scored.stream()
            .map(each -> (double) countRight(each, rule) / each.scored().size())
            .toList());
  }

  private static Optional<Proportion> passAtK(
      List<Answered> answered, String rule, int k, Map<String, Integer> leftOut) {
    List<Double> estimates = new ArrayList<>();
    for (Answered problem : answered) {
      int n = problem.scored().size();
      if (n >= k) {
        estimates.add(PassAtK.estimate(n, countRight(problem, rule), k));
      } else {
        leftOut.merge("pass@" + k + ": problems with fewer scored answers", 1, Integer::sum);
      }
    }
    return estimates.isEmpty() ? Optional.empty() : Optional.of(share(estimates));
  }

  private static int countRight(Answered problem, String rule) {
    return (int)
        problem.scored().stream()
            .filter(value -> value.parts().getOrDefault(rule, 0.0) >= 1)
            .count();
  }

  private static OptionalDouble length(Answered problem) {
    return sound(problem).mapToDouble(Rollout::length).average();
  }

  private static OptionalDouble ended(Answered problem) {
    return sound(problem)
        .mapToDouble(each -> each.finish() == FinishReason.LENGTH ? 0 : 1)
        .average();
  }

  private static Stream<Rollout> sound(Answered problem) {
    return problem.answers().stream().filter(each -> !each.failed());
  }

  private static Proportion share(List<Double> perProblem) {
    return Proportion.of(
        perProblem.stream().mapToDouble(Double::doubleValue).sum(), perProblem.size());
  }

  private static double mean(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).sum() / values.size();
  }
}
