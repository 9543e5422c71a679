package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Part;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * A round's answers in groups, one group per prompt, scored.
 *
 * @param groups to learn from, with what all roles say of them; no group is empty
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
   * An answer as the books have it.
   *
   * @param answer absent for one that cannot be learned from or compared with
   * @param dropped why it is not learned from, if so
   */
  record Entry(String sample, Optional<GroupAnswer> answer, Optional<String> dropped) {
    private void enter(Ledger ledger) {
      ledger.issued(sample);
      ledger.rolledOut(sample);
      answer.ifPresent(sound -> ledger.scored(sample));
      dropped.ifPresent(why -> ledger.dropped(sample, why));
    }
  }

  /**
   * The answers to one prompt.
   *
   * @param same whether all are equally good
   * @param kept whether something is learned from them
   */
  record Group(List<Entry> entries, boolean same, boolean kept) {
    private List<GroupAnswer> answers() {
      return entries.stream().flatMap(entry -> entry.answer().stream()).toList();
    }
  }

  /**
   * Some prompts on their way to groups.
   *
   * @param scores of all answers, in their order; empty without a scorer
   * @param judged a group per prompt
   * @param seen those kept among them, with what reference, teacher and policy say of them
   * @param next where the next prompts begin in the endless row of epochs
   */
  record Begun(
      Underway answers,
      CompletionStage<List<Score>> scores,
      CompletionStage<List<Group>> judged,
      CompletionStage<List<List<GroupAnswer>>> seen,
      long next) {}

  /**
   * Makes rounds.
   *
   * @param sampler the policy, or what plays episodes with it
   * @param scorer absent where the teacher alone says what is good
   * @param asksOwn whether the policy is asked what it says of its answers
   */
  record Asking(
      GrpoConfig config,
      RolloutsConfig rollouts,
      GrpoRoles roles,
      Sampler sampler,
      Optional<Scorer> scorer,
      boolean asksOwn,
      Batches<Prompt> prompts,
      long seed) {

    /**
     * Has a round's prompts answered, and the answers judged as they come.
     *
     * @param from draws of prompts before this round
     * @param known its answers, where an earlier run had them sampled
     */
    Begun begin(long iteration, long from, Optional<List<Rollout>> known) {
      return ask(iteration, 0, from, config.promptsPerIteration(), known);
    }

    private Begun ask(
        long iteration, int ask, long from, int count, Optional<List<Rollout>> known) {
      Batches.Drawn<Prompt> drawn = prompts.different(from, count);
      int each = config.answersPerPrompt();
      Underway answers =
          known
              .map(rollouts -> Underway.known(drawn.items(), each, rollouts))
              .orElseGet(
                  () ->
                      Underway.ask(
                          sampler,
                          drawn.items(),
                          each,
                          config.generation().settings(sampling(iteration, ask))));
      String round = iteration + "." + ask + "/";
      boolean apart = scorer.map(Scorer::scoresEachAlone).orElse(true);
      List<CompletionStage<List<List<Rollout>>>> parts =
          apart
              ? answers.parts(rollouts.overlap())
              : List.of(Underway.joined(answers.parts(false)));
      Optional<CompletionStage<Void>> turn =
          asksOwn ? Optional.of(answers.turn()) : Optional.empty();
      List<CompletionStage<List<Score>>> scores = new ArrayList<>();
      List<CompletionStage<List<Group>>> judged = new ArrayList<>();
      List<CompletionStage<List<List<GroupAnswer>>>> seen = new ArrayList<>();
      for (CompletionStage<List<List<Rollout>>> part : parts) {
        CompletionStage<List<Score>> found = part.thenCompose(this::scores);
        CompletionStage<List<Group>> groups =
            part.thenCombine(found, (answered, given) -> judged(round, answered, given));
        scores.add(found);
        judged.add(groups);
        seen.add(groups.thenCompose(all -> seen(all, turn)));
      }
      return new Begun(
          answers,
          Underway.joined(scores),
          Underway.joined(judged),
          Underway.joined(seen),
          drawn.next());
    }

    private CompletionStage<List<Score>> scores(List<List<Rollout>> answered) {
      return scorer
          .map(it -> it.score(answered.stream().flatMap(List::stream).toList()))
          .orElseGet(() -> CompletableFuture.completedFuture(List.of()));
    }

    /** In parts, whoever has judged them: rows are asked about beside the same others. */
    private CompletionStage<List<List<GroupAnswer>>> seen(
        List<Group> groups, Optional<CompletionStage<Void>> turn) {
      return Underway.joined(
          Part.of(groups.size(), config.answersPerPrompt()).stream()
              .map(
                  part ->
                      roles.seen(
                          part.prompts(groups).stream()
                              .filter(Group::kept)
                              .map(Group::answers)
                              .toList(),
                          turn))
              .toList());
    }

    /**
     * The round whose turn it is: waits for what was begun, and has other prompts answered in the
     * place of groups that teach nothing, until there are groups enough or it may ask no more.
     */
    GroupRound round(Begun begun, long iteration, Phases phases, Ledger ledger) {
      List<List<GroupAnswer>> groups = new ArrayList<>();
      List<Rollout> rollouts = new ArrayList<>();
      List<Score> scores = new ArrayList<>();
      Begun asked = begun;
      int prompted = 0;
      int constant = 0;
      for (int ask = 1; ; ask++) {
        Begun now = asked;
        now.answers().itsTurn();
        phases.time("generate", () -> now.answers().await()).forEach(rollouts::addAll);
        scores.addAll(phases.time("score", () -> Await.on(now.scores())));
        for (Group group : phases.time("score", () -> Await.on(now.judged()))) {
          prompted++;
          constant += group.same() ? 1 : 0;
          group.entries().forEach(entry -> entry.enter(ledger));
        }
        groups.addAll(phases.time("score", () -> Await.on(now.seen())));
        int missing = config.promptsPerIteration() - groups.size();
        if (missing == 0 || ask == config.groups().asks()) {
          return new GroupRound(groups, rollouts, scores, prompted, constant, now.next());
        }
        asked = ask(iteration, ask, now.next(), missing, Optional.empty());
      }
    }

    private long sampling(long iteration, int ask) {
      long round = Seeds.derive(seed, Seeds.Purpose.SAMPLING, iteration);
      return ask == 0 ? round : Seeds.derive(round, Seeds.Purpose.SAMPLING, ask);
    }

    /**
     * @param round what the names of its samples begin with
     * @param scores of all answers; empty without a scorer
     */
    private List<Group> judged(String round, List<List<Rollout>> answers, List<Score> scores) {
      List<Group> groups = new ArrayList<>();
      int at = 0;
      for (List<Rollout> group : answers) {
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < group.size(); i++, at++) {
          String sample = round + group.get(i).prompt().id() + "/" + (i + 1);
          Optional<Score> score = scores.isEmpty() ? Optional.empty() : Optional.of(scores.get(at));
          entries.add(entry(sample, group.get(i), score));
        }
        groups.add(group(entries));
      }
      return groups;
    }

    private Group group(List<Entry> entries) {
      List<GroupAnswer> scored = new Group(entries, false, false).answers();
      boolean same = scorer.isPresent() && scored.size() > 1 && constant(scored);
      boolean lone = scorer.isPresent() && scored.size() == 1 && config.comparesAnswers();
      if ((same || lone) && config.groups().constant() != GrpoConfig.Constant.KEEP) {
        String why = same ? GroupLessons.CONSTANT : GroupLessons.ALONE;
        return new Group(
            entries.stream()
                .map(
                    entry ->
                        entry.answer().isEmpty()
                            ? entry
                            : new Entry(entry.sample(), entry.answer(), Optional.of(why)))
                .toList(),
            same,
            false);
      }
      return new Group(entries, same, !scored.isEmpty());
    }

    private Entry entry(String sample, Rollout rollout, Optional<Score> score) {
      Optional<Episode.Failure> failure = rollout.episode().flatMap(Episode::failure);
      if (score.isEmpty() && failure.isPresent()) {
        return new Entry(sample, Optional.empty(), Optional.of(failure.get().reason()));
      }
      if (rollout.length() == 0 && failure.isEmpty()) {
        return new Entry(sample, Optional.empty(), Optional.of("empty response"));
      }
      if (score.isPresent() && score.get() instanceof Score.Unscored none) {
        return new Entry(sample, Optional.empty(), Optional.of("no score: " + none.reason()));
      }
      Optional<Double> value = score.map(it -> ((Score.Value) it).value());
      GroupAnswer answer =
          new GroupAnswer(
              sample,
              rollout,
              value,
              value.map(it -> shaped(it, rollout)).orElse(0.0),
              rollout.logprobs(),
              Optional.empty(),
              Optional.empty(),
              rollouts.isStale(),
              false);
      return new Entry(sample, Optional.of(answer), Optional.empty());
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
