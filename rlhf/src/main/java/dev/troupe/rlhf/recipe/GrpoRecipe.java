package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.environment.EpisodeSetup;
import dev.troupe.rlhf.environment.Episodes;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Sampler;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.HackingGuard;
import dev.troupe.rlhf.reward.Rewards;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/**
 * Group-relative policy optimisation (Shao et al. 2024, arXiv:2402.03300) and its family: answer
 * each prompt several times, score the answers, learn from how they compare. No critic, and a
 * reference only where something is held to it. Best of n, online DPO and on-policy distillation go
 * the same way round and learn by another loss. Answers of earlier rounds may be learned from
 * again, as decoupled PPO does (Hilton et al. 2022, arXiv:2110.00641), and others sampled by
 * weights some rounds old while some are learned from ({@link RolloutsConfig}).
 */
public final class GrpoRecipe implements Recipe {
  private final GrpoConfig config;
  private final ModelStart start;
  private final TrainingData<Prompt> prompts;
  private final Optional<ModelStart> rewardModel;
  private final Judge judge;
  private final Optional<EpisodeSetup> episodes;

  /**
   * Who says how good answers are.
   *
   * @param rule name of the part of a score that says whether an answer is right
   * @param scorer made when the reward model, if there is to be one, is there
   * @param guard the same of what the guard measures by
   */
  private record Judge(
      Optional<String> rule,
      Function<Optional<Role>, Optional<Scorer>> scorer,
      Function<Optional<Role>, Optional<Scorer>> guard) {
    private static Function<Optional<Role>, Optional<Scorer>> of(Rewards rewards) {
      return model ->
          rewards.configs().isEmpty()
              ? Optional.empty()
              : Optional.of(rewards.open(model.map(role -> role)));
    }
  }

  /**
   * @param start what the policy starts from, which is the reference too
   * @param reward the reward model, opened where one of the rewards is it
   * @param rewards those of the configuration
   * @param guarding those that the guard measures by
   * @param episodes what answers are played in; absent for answers given at once
   */
  public GrpoRecipe(
      GrpoConfig config,
      ModelStart start,
      ModelStart reward,
      TrainingData<Prompt> prompts,
      Rewards rewards,
      Rewards guarding,
      Optional<EpisodeSetup> episodes) {
    this(
        config,
        start,
        rewards.needsModel() || guarding.needsModel() ? Optional.of(reward) : Optional.empty(),
        prompts,
        new Judge(config.rule(), Judge.of(rewards), Judge.of(guarding)),
        episodes);
  }

  /**
   * With a scorer of one's own in place of the configured rewards.
   *
   * @param rule name of the part of a score that says whether an answer is right, if there is one
   */
  public GrpoRecipe(
      GrpoConfig config,
      ModelStart start,
      TrainingData<Prompt> prompts,
      Scorer scorer,
      Optional<String> rule) {
    this(
        config,
        start,
        Optional.empty(),
        prompts,
        new Judge(rule, model -> Optional.of(scorer), model -> Optional.empty()),
        Optional.empty());
  }

  private GrpoRecipe(
      GrpoConfig config,
      ModelStart start,
      Optional<ModelStart> rewardModel,
      TrainingData<Prompt> prompts,
      Judge judge,
      Optional<EpisodeSetup> episodes) {
    this.config = config;
    this.episodes = episodes;
    this.start = start;
    this.rewardModel = rewardModel;
    this.prompts = prompts;
    this.judge = judge;
  }

  /**
   * What came out.
   *
   * @param before the policy at the start, on the held-out prompts
   * @param after the trained policy on the same; as the win rate absent when the stage did not come
   *     to its end
   * @param winRate of after over before by the score
   * @param kl to the reference in the last round that had one, nats per response
   * @param tokens generated while training
   * @param groups that were asked for, those among them left out
   * @param constantGroups those whose answers were equally good
   * @param best the state that is the result, where the best one was looked for
   * @param stopped what the guard ended the stage for
   */
  public record Result(
      long iterations,
      Evaluation before,
      Optional<Evaluation> after,
      Optional<Proportion> winRate,
      Optional<Double> kl,
      long tokens,
      long groups,
      long constantGroups,
      long skippedUpdates,
      Account account,
      Optional<Best> best,
      boolean stoppedEarly,
      Optional<String> stopped,
      boolean cancelled,
      Optional<String> failure)
      implements StageResult {}

  /**
   * What a resume needs beside the policy's own state; seeds follow from the step.
   *
   * @param next where the next round's prompts begin in the endless row of epochs
   * @param guarded measurements that the guard has seen
   * @param earlier groups of the rounds before that are to be learned from again, the newest last
   * @param ahead answers of the rounds that follow, as far as these were begun
   */
  public record State(
      Progress progress,
      long next,
      Optional<Double> kl,
      long tokens,
      long groups,
      long constantGroups,
      Evaluation before,
      List<HackingGuard.Measured> guarded,
      List<List<List<GroupAnswer>>> earlier,
      List<List<Rollout>> ahead) {
    private State with(List<List<Rollout>> answers) {
      return new State(
          progress, next, kl, tokens, groups, constantGroups, before, guarded, earlier, answers);
    }
  }

  @Override
  public int totalSteps() {
    return config.iterations();
  }

  /** Trains and saves the policy. */
  @Override
  public Result run(StageContext context) {
    GrpoRoles roles = GrpoRoles.open(context, config, start, rewardModel);
    List<Scorer> scorers = new ArrayList<>();
    Optional<Episodes> played = Optional.empty();
    try {
      played =
          episodes.map(
              setup ->
                  setup.open(
                      roles.policy(), text -> context.observer().notice(context.stage(), text)));
      Sampler sampler = played.isPresent() ? played.get() : roles.policy();
      Optional<Scorer> opened = judge.scorer().apply(roles.reward());
      opened.ifPresent(scorers::add);
      Guard guard =
          new Guard(
              config.guard(),
              judge.guard().apply(roles.reward()),
              text -> context.observer().notice(context.stage(), text));
      guard.scorer().ifPresent(scorers::add);
      Steps steps =
          new Steps(
              context,
              totalSteps(),
              config.evaluateEvery(),
              config.best(),
              List.of(roles.policy()));
      GroupUpdates updates =
          new GroupUpdates(config, roles.policy(), steps, context.seed(), judge.rule());
      boolean asksOwn = context.numerics().scoresSamples() || context.rollouts().isStale();
      GroupRound.Asking asking =
          new GroupRound.Asking(
              config,
              context.rollouts(),
              roles,
              sampler,
              opened,
              asksOwn,
              new Batches<>(
                  prompts.train(),
                  config.promptsPerIteration(),
                  Batches.Last.LEFT_OUT,
                  Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0)),
              context.seed());
      State state =
          steps.resumed(State.class).orElseGet(() -> begin(context, roles, sampler, opened, guard));
      // Rounds draw their prompts one after another.
      AtomicLong drawn = new AtomicLong(state.next());
      Ahead<GroupRound.Begun> ahead =
          new Ahead<>(
              context.rollouts().staleness(),
              totalSteps(),
              state.progress().step(),
              state.ahead(),
              (number, known) -> {
                GroupRound.Begun begun = asking.begin(number, drawn.get(), known);
                drawn.set(begun.next());
                return begun;
              });

      while (steps.goesOn(state.progress())) {
        long iteration = state.progress().step() + 1;
        Phases phases = new Phases();
        Averages averages = new Averages();
        Ledger ledger = new Ledger(state.progress().account());

        // 1. Answer each prompt several times, those of the next rounds too where answers may be
        // stale, and score the answers; ask for others in the place of groups that teach nothing,
        // if
        // told to.
        // 2. What reference, teacher and training's own numbers say of them, at the same time.
        GroupRound.Begun begun = phases.time("generate", ahead::take);
        GroupRound round = asking.round(begun, iteration, phases, ledger);
        drawn.accumulateAndGet(round.next(), Math::max);
        List<List<GroupAnswer>> groups = round.groups();
        ScoreParts.notices(iteration, round.scores())
            .forEach(text -> context.observer().notice(context.stage(), text));
        if (context.numerics().exact()) {
          RolloutGap.ofAnswers(
                  groups.stream().flatMap(List::stream).toList(), config.policy().importanceCap())
              .ifPresent(RolloutGap::requireNone);
        }
        // 3. Advantages from how the answers to one prompt compare.
        List<List<List<GroupAnswer>>> earlier = state.earlier();
        List<List<GroupAnswer>> all = new ArrayList<>(groups);
        phases
            .time("score", () -> roles.again(earlier.stream().flatMap(List::stream).toList()))
            .forEach(all::add);
        GroupLessons<?> lessons = GroupLessons.of(config, all, ledger);
        // 4. Learn: epochs of minibatches.
        Learning before = state.progress().learning();
        Learning learning =
            phases.time(
                "train", () -> updates.of(lessons, round, iteration, averages, ledger, before));

        // 5. Books and figures; measure on the held-out prompts now and then.
        List<GroupAnswer> answers = groups.stream().flatMap(List::stream).toList();
        OptionalDouble kl =
            answers.stream().flatMap(it -> it.kl().stream()).mapToDouble(it -> it).average();
        long tokens = round.rollouts().stream().mapToLong(it -> it.length()).sum();
        answers.forEach(it -> it.teacherKl().ifPresent(mean -> averages.add("teacherKl", mean)));
        Map<String, Double> metrics = new TreeMap<>(averages.means());
        metrics.putAll(round.metrics());
        metrics.putAll(ScoreParts.of(round.scores(), judge.rule()));
        kl.ifPresent(mean -> metrics.put("kl", mean));
        if (asksOwn || config.reuse() > 0) {
          List<GroupAnswer> weighted = all.stream().flatMap(List::stream).toList();
          RolloutGap.ofAnswers(weighted, config.policy().importanceCap())
              .ifPresent(gap -> metrics.putAll(gap.metrics()));
        }
        if (config.reuse() > 0) {
          metrics.put("reusedFraction", reused(all));
        }
        metrics.putAll(
            Staleness.metrics(
                context.rollouts(),
                iteration,
                ahead.waiting().stream().map(GroupRound.Begun::answers).toList()));
        OptionalDouble sampling =
            context.rollouts().isStale()
                ? begun.answers().seconds()
                : OptionalDouble.of(Math.max(1e-9, phases.of("generate")));
        sampling.ifPresent(seconds -> metrics.put("tokensPerSecond", tokens / seconds));
        Guard.Look look = new Guard.Look(state.guarded(), List.of(), false);
        if (steps.measures(iteration)) {
          Evaluation now =
              phases.time("score", () -> evaluate(roles, sampler, opened, guard, context.seed()));
          look = guard.look(state.guarded(), iteration, state.before(), now);
          metrics.putAll(now.heldOutMetrics());
          now.winRateOver(state.before())
              .ifPresent(rate -> metrics.put("heldOutWinRate", rate.share()));
        }
        Progress progress =
            steps.guarded(
                steps.measured(state.progress().after(ledger.account(), learning), metrics), look);
        state =
            new State(
                progress,
                round.next(),
                kl.isPresent() ? Optional.of(kl.getAsDouble()) : state.kl(),
                state.tokens() + tokens,
                state.groups() + round.asked(),
                state.constantGroups() + round.constant(),
                state.before(),
                look.history(),
                remembered(earlier, groups),
                List.of());

        // 6. Step boundary: report, checkpoint, stop when asked.
        context
            .observer()
            .experiences(
                context.stage(),
                iteration,
                lessons.all().stream().flatMap(lesson -> lesson.experiences().stream()).toList());
        State done = state;
        steps.done(
            progress,
            () -> done.with(ahead.waiting().stream().map(next -> next.answers().toKeep()).toList()),
            metrics,
            phases.seconds());
      }

      // 7. Save, and measure what was saved.
      Progress progress = state.progress();
      Evaluation before = state.before();
      Steps.Ending ending = steps.end(progress);
      Optional<Evaluation> after =
          ending.done()
              ? Optional.of(evaluate(roles, sampler, opened, guard, context.seed()))
              : Optional.empty();
      List<HackingGuard.Measured> guarded = state.guarded();
      after.ifPresent(result -> steps.guardedAtEnd(progress, guard, guarded, before, result));
      return new Result(
          progress.step(),
          before,
          after,
          after.flatMap(replies -> replies.winRateOver(before)),
          state.kl(),
          state.tokens(),
          state.groups(),
          state.constantGroups(),
          progress.learning().skipped(),
          progress.account(),
          progress.best(),
          ending.early(),
          progress.stopped(),
          ending.cancelled(),
          ending.failure());
    } finally {
      scorers.forEach(Scorer::close);
      played.ifPresent(Episodes::close);
      roles.all().stream().map(Role::close).toList().forEach(Await::on);
    }
  }

  private State begin(
      StageContext context,
      GrpoRoles roles,
      Sampler sampler,
      Optional<Scorer> opened,
      Guard guard) {
    return new State(
        Progress.begin(prompts.dropped()),
        0,
        Optional.empty(),
        0,
        0,
        0,
        evaluate(roles, sampler, opened, guard, context.seed()),
        List.of(),
        List.of(),
        List.of());
  }

  /** The newest rounds. */
  private List<List<List<GroupAnswer>>> remembered(
      List<List<List<GroupAnswer>>> earlier, List<List<GroupAnswer>> groups) {
    if (config.reuse() == 0) {
      return List.of();
    }
    List<List<List<GroupAnswer>>> rounds = new ArrayList<>(earlier);
    rounds.add(
        groups.stream().map(group -> group.stream().map(GroupAnswer::forLater).toList()).toList());
    return List.copyOf(rounds.subList(Math.max(0, rounds.size() - config.reuse()), rounds.size()));
  }

  private static double reused(List<List<GroupAnswer>> groups) {
    return groups.stream()
        .flatMap(List::stream)
        .mapToDouble(answer -> answer.again() ? 1 : 0)
        .average()
        .orElse(0);
  }

  private Evaluation evaluate(
      GrpoRoles roles, Sampler sampler, Optional<Scorer> scorer, Guard guard, long seed) {
    return Evaluation.of(
        roles.policy(),
        sampler,
        new Evaluation.Judges(scorer, judge.rule(), roles.reference(), Optional.empty(), guard),
        prompts.heldOut(),
        config.evaluation().generation().settings(Seeds.derive(seed, Seeds.Purpose.EVALUATION, 0)));
  }
}
