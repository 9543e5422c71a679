package dev.troupe.rlhf.reward;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * A weighted sum of scorers that work side by side. The sum's parts are its terms' scores without
 * their weights, by their names, and the terms' own parts behind a dot. An answer that one of them
 * could not score has no sum; nobody is asked of an episode that failed.
 */
final class SumScorer implements Scorer {
  /**
   * One of them.
   *
   * @param name of its part
   */
  record Term(String name, Scorer scorer, double weight) {}

  private final String name;
  private final List<Term> terms;

  SumScorer(String name, List<Term> terms) {
    this.name = name;
    this.terms = List.copyOf(terms);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public CompletionStage<List<Score>> score(List<Rollout> asked) {
    List<Rollout> rollouts = asked.stream().filter(it -> failure(it).isEmpty()).toList();
    List<CompletableFuture<List<Score>>> all =
        terms.stream()
            .map(term -> Scores.ask(term.scorer(), rollouts).toCompletableFuture())
            .toList();
    return CompletableFuture.allOf(all.toArray(CompletableFuture[]::new))
        .thenApply(
            done -> {
              List<Score> sums = new ArrayList<>(rollouts.size());
              for (int i = 0; i < rollouts.size(); i++) {
                int at = i;
                sums.add(sum(all.stream().map(scores -> scores.join().get(at)).toList()));
              }
              Iterator<Score> sound = sums.iterator();
              return asked.stream()
                  .map(it -> failure(it).<Score>map(SumScorer::unscored).orElseGet(sound::next))
                  .toList();
            });
  }

  @Override
  public boolean scoresEachAlone() {
    return terms.stream().allMatch(term -> term.scorer().scoresEachAlone());
  }

  private static Optional<Episode.Failure> failure(Rollout rollout) {
    return rollout.episode().flatMap(Episode::failure);
  }

  private static Score.Unscored unscored(Episode.Failure failure) {
    return new Score.Unscored(failure.reason(), failure.detail());
  }

  private Score sum(List<Score> scores) {
    double sum = 0;
    Map<String, Double> parts = new TreeMap<>();
    for (int t = 0; t < terms.size(); t++) {
      String term = terms.get(t).name();
      if (scores.get(t) instanceof Score.Unscored unscored) {
        return new Score.Unscored(term + ": " + unscored.reason(), unscored.detail());
      }
      Score.Value value = (Score.Value) scores.get(t);
      sum += terms.get(t).weight() * value.value();
      parts.put(term, value.value());
      value.parts().forEach((part, number) -> parts.put(term + "." + part, number));
    }
    return Score.of(sum, parts);
  }

  @Override
  public void close() {
    terms.forEach(term -> term.scorer().close());
  }
}
