package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.ImportanceWeights;
import dev.troupe.rlhf.loss.KlController;
import dev.troupe.rlhf.port.Learner;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.HackingGuard;
import dev.troupe.rlhf.reward.ModelScorer;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * PPO (Schulman et al. 2017) as RLHF uses it (Ouyang et al. 2022, step 3): answer prompts, score
 * the answers, hold the policy to the reference by a KL penalty, learn. Where rollouts are sampled
 * in other numbers than training's, training's own log-probabilities take the place of the
 * sampler's, and {@link ImportanceWeights} correct for the difference. Answers may be sampled by
 * weights some rounds old while others are learned from ({@link RolloutsConfig}): then this is
 * decoupled PPO (Hilton et al. 2022, arXiv:2110.00641; Fu et al. 2025, arXiv:2505.24298, equation
 * 5), whose clip is around the policy at the beginning of the round, with the advantages of V-trace
 * (Espeholt et al. 2018, arXiv:1802.01561). Leaves out several answers per prompt and reuse of
 * older experience.
 */
public final class PpoRecipe implements Recipe {
  private final PpoConfig config;
  private final PpoStart start;
  private final PpoData data;
  private final Optional<Oracle> oracle;
  private final Optional<Rewards> rewards;
  private final Optional<Rewards> guarding;

  /**
   * The oracle measures and is never trained on.
   *
   * @param rewards what scores answers in the place of the reward model alone
   * @param guarding what the guard measures by, where there is something
   */
  public PpoRecipe(
      PpoConfig config,
      PpoStart start,
      PpoData data,
      Optional<Oracle> oracle,
      Optional<Rewards> rewards,
      Optional<Rewards> guarding) {
    if (config.policy().ptxCoefficient() > 0 && data.pretraining().isEmpty()) {
      throw new IllegalArgumentException(
          "ptx-coefficient is "
              + config.policy().ptxCoefficient()
              + " and there are no pre-training texts; give them or set it to 0");
    }
    this.config = config;
    this.start = start;
    this.data = data;
    this.oracle = oracle;
    this.rewards = rewards;
    this.guarding = guarding;
  }

  /**
   * What came out.
   *
   * @param before the policy at the start, on the held-out prompts
   * @param after the trained policy on the same; as the win rates absent when the stage did not
   *     come to its end
   * @param winRate of after over before by the score
   * @param oracleWinRate the same by the oracle, when there is one
   * @param kl to the reference in the last round with a sample to learn from, nats per response
   * @param tokens generated while training
   * @param best the state that is the result, where the best one was looked for
   * @param stopped what the guard ended the stage for
   */
  public record Result(
      long iterations,
      Evaluation before,
      Optional<Evaluation> after,
      Optional<Proportion> winRate,
      Optional<Proportion> oracleWinRate,
      Optional<Double> kl,
      double klCoefficient,
      long tokens,
      long skippedUpdates,
      Account account,
      Optional<Best> best,
      boolean stoppedEarly,
      Optional<String> stopped,
      boolean cancelled,
      Optional<String> failure)
      implements StageResult {}

  /**
   * What a resume needs beside the roles' own states; prompts and seeds follow from the step.
   *
   * @param guarded measurements that the guard has seen
   * @param ahead answers of the rounds that follow, as far as these were begun
   */
  public record State(
      Progress progress,
      double klCoefficient,
      Optional<Double> kl,
      long tokens,
      Evaluation before,
      List<HackingGuard.Measured> guarded,
      List<List<Rollout>> ahead) {
    private State with(List<List<Rollout>> answers) {
      return new State(progress, klCoefficient, kl, tokens, before, guarded, answers);
    }
  }

  @Override
  public int totalSteps() {
    return config.iterations();
  }

  /** Trains and saves the policy. */
  @Override
  public Result run(StageContext context) {
    PpoRoles roles = PpoRoles.open(context, config, start);
    List<Scorer> scorers = new ArrayList<>();
    try {
      Optional<Learner> model = roles.reward().map(role -> role);
      Scorer scorer =
          rewards.map(it -> it.open(model)).orElseGet(() -> byModel(model.orElseThrow()));
      scorers.add(scorer);
      Optional<Scorer> heldOut = guarding.map(it -> it.open(model));
      heldOut.ifPresent(scorers::add);
      Guard guard =
          new Guard(
              config.guard(), heldOut, text -> context.observer().notice(context.stage(), text));
      Steps steps =
          new Steps(
              context,
              totalSteps(),
              config.evaluateEvery(),
              config.best(),
              List.of(roles.policy(), roles.critic()));
      PpoScoring scoring =
          new PpoScoring(
              config.tokenRewards(), context.numerics(), context.rollouts(), roles, scorer);
      PpoUpdates updates = new PpoUpdates(config, roles, steps, data.pretraining(), context.seed());
      State state =
          steps.resumed(State.class).orElseGet(() -> begin(context, roles, scorer, guard));
      KlController kl = controller(state.klCoefficient());
      Batches<Prompt> prompts =
          new Batches<>(
              data.prompts().train(),
              config.promptsPerIteration(),
              Batches.Last.LEFT_OUT,
              Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));
      Ahead<PpoScoring.Begun> ahead =
          new Ahead<>(
              context.rollouts().staleness(),
              totalSteps(),
              state.progress().step(),
              state.ahead(),
              (round, known) -> {
                List<Prompt> asked = prompts.batch(round - 1);
                return scoring.begin(
                    known
                        .map(answers -> Underway.known(asked, 1, answers))
                        .orElseGet(() -> answer(roles, asked, round, context)));
              });

      while (steps.goesOn(state.progress())) {
        long iteration = state.progress().step() + 1;
        Phases phases = new Phases();
        Averages averages = new Averages();
        Ledger ledger = new Ledger(state.progress().account());
        double coefficient = kl.coefficient();

        // 1. Answer the prompts, those of the next rounds too where answers may be stale.
        PpoScoring.Begun begun = phases.time("generate", ahead::take);
        begun.answers().itsTurn();
        List<Rollout> rollouts = phases.time("generate", () -> flat(begun.answers().await()));
        // 2. Score the answers; what the reference and the critic say of them, at the same time.
        // 3. Rewards per token: KL penalty, and the score where the placement wants it.
        PpoScoring.Round round =
            phases.time("score", () -> scoring.score(begun, coefficient, iteration, ledger));
        List<Scored> scored = round.scored();
        ScoreParts.notices(iteration, round.scores())
            .forEach(text -> context.observer().notice(context.stage(), text));
        // 4. Advantages and returns by GAE, of stale answers by V-trace; whitening over the round.
        List<Lesson> lessons =
            Lessons.of(
                scored,
                config.advantages(),
                config.policy().importanceCap(),
                context.rollouts().isStale());
        // 5. Learn: epochs of minibatches, policy and critic side by side.
        Learning before = state.progress().learning();
        Learning learning =
            phases.time("train", () -> updates.of(lessons, iteration, averages, ledger, before));
        // 6. Set the KL coefficient of the next round.
        OptionalDouble meanKl = scored.stream().mapToDouble(Scored::kl).average();
        if (meanKl.isPresent()) {
          kl = kl.after(meanKl.getAsDouble(), scored.size());
        }

        // 7. Books and figures; measure on the held-out prompts now and then.
        long tokens = rollouts.stream().mapToLong(r -> r.length()).sum();
        Map<String, Double> metrics = new TreeMap<>(averages.means());
        metrics.putAll(describe(rollouts, lessons));
        metrics.putAll(ScoreParts.of(round.scores(), config.rule()));
        if (begun.own().isPresent()) {
          RolloutGap.of(scored, config.policy().importanceCap())
              .ifPresent(
                  gap -> {
                    if (context.numerics().exact()) {
                      gap.requireNone();
                    }
                    metrics.putAll(gap.metrics());
                  });
        }
        meanKl.ifPresent(mean -> metrics.put("kl", mean));
        metrics.put("klCoefficient", coefficient);
        metrics.putAll(
            Staleness.metrics(
                context.rollouts(),
                iteration,
                ahead.waiting().stream().map(PpoScoring.Begun::answers).toList()));
        begun
            .answers()
            .seconds()
            .ifPresent(seconds -> metrics.put("tokensPerSecond", tokens / seconds));
        Guard.Look look = new Guard.Look(state.guarded(), List.of(), false);
        if (steps.measures(iteration)) {
          Evaluation now =
              phases.time("score", () -> evaluate(roles, scorer, guard, context.seed()));
          look = guard.look(state.guarded(), iteration, state.before(), now);
          metrics.putAll(heldOut(now, state.before()));
        }
        Progress progress =
            steps.guarded(
                steps.measured(state.progress().after(ledger.account(), learning), metrics), look);
        state =
            new State(
                progress,
                kl.coefficient(),
                meanKl.isPresent() ? Optional.of(meanKl.getAsDouble()) : state.kl(),
                state.tokens() + tokens,
                state.before(),
                look.history(),
                List.of());

        // 8. Step boundary: report, checkpoint, stop when asked.
        context
            .observer()
            .experiences(
                context.stage(), iteration, lessons.stream().map(Lesson::experience).toList());
        State done = state;
        steps.done(
            progress,
            () -> done.with(ahead.waiting().stream().map(next -> next.answers().toKeep()).toList()),
            metrics,
            phases.seconds());
      }

      // 9. Save, and measure what was saved.
      Progress progress = state.progress();
      Evaluation before = state.before();
      Steps.Ending ending = steps.end(progress);
      Optional<Evaluation> after =
          ending.done()
              ? Optional.of(evaluate(roles, scorer, guard, context.seed()))
              : Optional.empty();
      List<HackingGuard.Measured> guarded = state.guarded();
      after.ifPresent(result -> steps.guardedAtEnd(progress, guard, guarded, before, result));
      return new Result(
          progress.step(),
          before,
          after,
          after.flatMap(replies -> replies.winRateOver(before)),
          after.flatMap(replies -> oracle.flatMap(judge -> replies.winRateOver(before, judge))),
          state.kl(),
          kl.coefficient(),
          state.tokens(),
          progress.learning().skipped(),
          progress.account(),
          progress.best(),
          ending.early(),
          progress.stopped(),
          ending.cancelled(),
          ending.failure());
    } finally {
      scorers.forEach(Scorer::close);
      roles.all().stream().map(Role::close).toList().forEach(Await::on);
    }
  }

  private State begin(StageContext context, PpoRoles roles, Scorer scorer, Guard guard) {
    return new State(
        Progress.begin(data.prompts().dropped()),
        config.kl().coefficient(),
        Optional.empty(),
        0,
        evaluate(roles, scorer, guard, context.seed()),
        List.of(),
        List.of());
  }

  private Underway answer(
      PpoRoles roles, List<Prompt> prompts, long iteration, StageContext context) {
    long seed = Seeds.derive(context.seed(), Seeds.Purpose.SAMPLING, iteration);
    return Underway.ask(roles.policy(), prompts, 1, config.generation().settings(seed));
  }

  private static List<Rollout> flat(List<List<Rollout>> groups) {
    return groups.stream().flatMap(List::stream).toList();
  }

  private static Map<String, Double> describe(List<Rollout> rollouts, List<Lesson> lessons) {
    Averages averages = new Averages();
    for (Rollout rollout : rollouts) {
      averages.add("responseLength", rollout.length());
      averages.add("truncatedFraction", rollout.finish() == FinishReason.LENGTH ? 1 : 0);
    }
    for (Lesson lesson : lessons) {
      averages.add(
          "rewards",
          IntStream.range(0, lesson.trained()).mapToDouble(t -> lesson.rewards().get(t)).sum());
    }
    return averages.means();
  }

  private Evaluation evaluate(PpoRoles roles, Scorer scorer, Guard guard, long seed) {
    return Evaluation.of(
        roles.policy(),
        roles.policy(),
        new Evaluation.Judges(
            Optional.of(scorer), config.rule(), Optional.of(roles.reference()), oracle, guard),
        data.prompts().heldOut(),
        config.evaluation().generation().settings(Seeds.derive(seed, Seeds.Purpose.EVALUATION, 0)));
  }

  /** The reward model alone, its score read where the tokens' rewards have it. */
  private Scorer byModel(Learner model) {
    return new ModelScorer(
        "the reward model",
        model,
        switch (config.tokenRewards().placement()) {
          case MODERN -> RewardConfig.Model.Placement.MODERN;
          case DEEPSPEED_CHAT -> RewardConfig.Model.Placement.DEEPSPEED_CHAT;
        });
  }

  /** What an evaluation adds to a step's metrics. */
  private Map<String, Double> heldOut(Evaluation now, Evaluation before) {
    Map<String, Double> metrics = new TreeMap<>(now.heldOutMetrics());
    now.winRateOver(before).ifPresent(rate -> metrics.put("heldOutWinRate", rate.share()));
    Double score = now.metrics().get("score");
    Double kl = now.metrics().get("kl");
    if (score != null && kl != null) {
      // By the coefficient of the first round, so that rounds can be compared.
      metrics.put("heldOutReward", score - config.kl().coefficient() * kl);
    }
    return metrics;
  }

  private KlController controller(double coefficient) {
    if (config.kl() instanceof KlConfig.Adaptive adaptive) {
      return new KlController.Adaptive(coefficient, adaptive.target(), adaptive.horizon());
    }
    return new KlController.Fixed(coefficient);
  }
}
