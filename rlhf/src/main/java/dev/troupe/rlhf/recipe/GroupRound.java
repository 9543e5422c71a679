package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.GroupAdvantages;
import dev.troupe.rlhf.loss.LengthPenalty;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * A round's answers in groups, one group per prompt, scored.
 *
 * @param groups to learn from; no group is empty
 * @param rollouts all answers that were asked for
 * @param scores theirs, in the same order; empty without a scorer
 * @param asked groups
 * @param constant groups among them whose answers were equally good
 * @param next where the next round's prompts begin in the endless row of epochs
 */
record GroupRound(
    List<List<GroupAnswer>> groups,
    List<Rollout> rollouts,
    List<Score> scores,
    int asked,
    int constant,
    long next) {

  /** What its answers come to as metrics; those that failed count in no length. */
  Map<String, Double> metrics() {
    Averages averages = new Averages();
    for (Rollout rollout : rollouts) {
      if (!rollout.failed()) {
        averages.add("responseLength", rollout.length());
        averages.add("truncatedFraction", rollout.finish() == FinishReason.LENGTH ? 1 : 0);
        EpisodeFigures.add(averages, rollout);
      }
    }
    Map<String, Double> metrics = new TreeMap<>(averages.means());
    if (!scores.isEmpty()) {
      metrics.put("constantGroups", (double) constant / asked);
      metrics.put("groupsAsked", (double) asked);
    }
    return metrics;
  }

  /**
   * Makes rounds.
   *
   * @param sampler the policy, or what plays episodes with it
   * @param scorer absent where the teacher alone says what is good
   */
  record Asking(
      GrpoConfig config,
      Sampler sampler,
      Optional<Scorer> scorer,
      Batches<Prompt> prompts,
      long seed) {

    /**
     * Answers prompts until there are groups enough, or it may ask no more.
     *
     * @param from draws of prompts before this round
     */
    GroupRound round(long iteration, long from, Phases phases, Ledger ledger) {
      List<List<GroupAnswer>> groups = new ArrayList<>();
      List<Rollout> rollouts = new ArrayList<>();
      List<Score> scores = new ArrayList<>();
      long next = from;
      int asked = 0;
      int constant = 0;
      for (int ask = 0; ask < config.groups().asks(); ask++) {
        int missing = config.promptsPerIteration() - groups.size();
        if (missing == 0) {
          break;
        }
        Batches.Drawn<Prompt> drawn = prompts.different(next, missing);
        next = drawn.next();
        SamplingSettings settings = config.generation().settings(sampling(iteration, ask));
        List<List<Rollout>> answers =
            phases.time(
                "generate",
                () -> Await.on(sampler.sample(drawn.items(), config.answersPerPrompt(), settings)));
        List<Rollout> flat = answers.stream().flatMap(List::stream).toList();
        List<Score> judged =
            phases.time(
                "score", () -> scorer.map(it -> Await.on(it.score(flat))).orElse(List.of()));
        rollouts.addAll(flat);
        scores.addAll(judged);
        int at = 0;
        for (List<Rollout> group : answers) {
          asked++;
          List<GroupAnswer> scored = new ArrayList<>();
          for (int i = 0; i < group.size(); i++, at++) {
            String sample =
                iteration + "." + ask + "/" + group.get(i).prompt().id() + "/" + (i + 1);
            Optional<Score> score =
                judged.isEmpty() ? Optional.empty() : Optional.of(judged.get(at));
            enter(sample, group.get(i), score, ledger).ifPresent(scored::add);
          }
          boolean same = scorer.isPresent() && scored.size() > 1 && constant(scored);
          constant += same ? 1 : 0;
          boolean lone = scorer.isPresent() && scored.size() == 1 && config.comparesAnswers();
          if ((same || lone) && config.groups().constant() != GrpoConfig.Constant.KEEP) {
            String why = same ? GroupLessons.CONSTANT : GroupLessons.ALONE;
            scored.forEach(answer -> ledger.dropped(answer.sample(), why));
          } else if (!scored.isEmpty()) {
            groups.add(scored);
          }
        }
      }
      return new GroupRound(groups, rollouts, scores, asked, constant, next);
    }

    private long sampling(long iteration, int ask) {
      long round = Seeds.derive(seed, Seeds.Purpose.SAMPLING, iteration);
      return ask == 0 ? round : Seeds.derive(round, Seeds.Purpose.SAMPLING, ask);
    }

    /** In the books; empty for one that cannot be learned from or compared with. */
    private Optional<GroupAnswer> enter(
        String sample, Rollout rollout, Optional<Score> score, Ledger ledger) {
      ledger.issued(sample);
      ledger.rolledOut(sample);
      Optional<Episode.Failure> failure = rollout.episode().flatMap(Episode::failure);
      if (score.isEmpty() && failure.isPresent()) {
        ledger.dropped(sample, failure.get().reason());
        return Optional.empty();
      }
      if (rollout.length() == 0 && failure.isEmpty()) {
        ledger.dropped(sample, "empty response");
        return Optional.empty();
      }
      if (score.isPresent() && score.get() instanceof Score.Unscored none) {
        ledger.dropped(sample, "no score: " + none.reason());
        return Optional.empty();
      }
      ledger.scored(sample);
      Optional<Double> value = score.map(it -> ((Score.Value) it).value());
      return Optional.of(
          new GroupAnswer(
              sample,
              rollout,
              value,
              value.map(it -> shaped(it, rollout)).orElse(0.0),
              rollout.logprobs(),
              Optional.empty(),
              Optional.empty(),
              false));
    }

    /** What an answer's length leaves of its score. */
    private double shaped(double score, Rollout rollout) {
      LengthConfig length = config.length();
      double kept = LengthPenalty.truncated(score, length.truncatedScore(), rollout.finish());
      return kept
          + length
              .overlongBuffer()
              .map(
                  buffer ->
                      LengthPenalty.overlong(
                          rollout.length(),
                          config.generation().maxNewTokens(),
                          buffer,
                          length.overlongFactor()))
              .orElse(0.0);
    }

    private static boolean constant(List<GroupAnswer> group) {
      return GroupAdvantages.constant(
          group.stream().map(answer -> OptionalDouble.of(answer.score().orElse(0.0))).toList());
    }
  }
}
