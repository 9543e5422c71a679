package dev.troupe.rlhf.reward;

import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ForkJoinPool;
import java.util.function.Function;

/** A rule as a scorer: it looks at one answer at a time, beside the models' work. */
final class RuleScorer implements Scorer {
  static final String NO_ANSWER = "the data have no answer to compare with";

  private final String name;
  private final Function<Rollout, Score> rule;

  private RuleScorer(String name, Function<Rollout, Score> rule) {
    this.name = name;
    this.rule = rule;
  }

  /** Looks at the whole rollout. */
  static Scorer of(String name, Function<Rollout, Score> rule) {
    return new RuleScorer(name, rule);
  }

  /** Looks at the answer's text alone. */
  static Scorer ofText(String name, Rule rule) {
    return new RuleScorer(name, rollout -> rule.score(rollout.text(), ""));
  }

  /** Compares the answer's text with what the data say is right. */
  static Scorer comparing(String name, Rule rule) {
    return new RuleScorer(
        name,
        rollout ->
            rollout
                .prompt()
                .answer()
                .map(right -> rule.score(rollout.text(), right))
                .orElseGet(() -> Score.unscored(NO_ANSWER)));
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
    return CompletableFuture.supplyAsync(
        () -> rollouts.stream().map(rule).toList(), ForkJoinPool.commonPool());
  }

  @Override
  public boolean scoresEachAlone() {
    return true;
  }
}
