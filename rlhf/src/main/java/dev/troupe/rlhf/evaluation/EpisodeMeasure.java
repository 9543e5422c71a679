package dev.troupe.rlhf.evaluation;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.recipe.EpisodeFigures;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What the episodes in an environment were like. Figures are of those that did not fail, and, as of
 * all answers, means of each problem's.
 *
 * @param played all of them
 * @param ends how many ended by what, those that failed too
 * @param figures turns, toolCalls, toolFailures, observationTokens, and environment.NAME for each
 *     that the environment names
 */
public record EpisodeMeasure(
    int played, SortedMap<Episode.End, Integer> ends, SortedMap<String, Mean> figures) {
  public EpisodeMeasure {
    ends = Collections.unmodifiableSortedMap(new TreeMap<>(ends));
    figures = Collections.unmodifiableSortedMap(new TreeMap<>(figures));
  }

  /** Sums up; absent where answers were given at once. */
  static Optional<EpisodeMeasure> of(List<Answered> answered) {
    SortedMap<Episode.End, Integer> ends = new TreeMap<>();
    SortedMap<String, List<Double>> figures = new TreeMap<>();
    int played = 0;
    for (Answered problem : answered) {
      SortedMap<String, List<Double>> own = new TreeMap<>();
      for (Rollout answer : problem.answers()) {
        if (answer.episode().isPresent()) {
          played++;
          ends.merge(answer.episode().get().end(), 1, Integer::sum);
        }
        if (!answer.failed()) {
          EpisodeFigures.of(answer).forEach((name, value) -> in(own, name).add(value));
        }
      }
      own.forEach((name, values) -> in(figures, name).add(Mean.of(values).mean()));
    }
    SortedMap<String, Mean> means = new TreeMap<>();
    figures.forEach((name, values) -> means.put(name, Mean.of(values)));
    return played == 0 ? Optional.empty() : Optional.of(new EpisodeMeasure(played, ends, means));
  }

  private static List<Double> in(Map<String, List<Double>> lists, String name) {
    return lists.computeIfAbsent(name, it -> new ArrayList<>());
  }
}
