package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.data.Batches;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DeepSpeedChatRewards;
import dev.troupe.rlhf.loss.ImportanceWeights;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlController;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.loss.TokenRewards;
import dev.troupe.rlhf.port.Checkpoints.Saved;
import dev.troupe.rlhf.port.Role;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.stream.IntStream;

/**
 * PPO (Schulman et al. 2017) as RLHF uses it (Ouyang et al. 2022, step 3): answer prompts, score
 * the answers, hold the policy to the reference by a KL penalty, learn. Where rollouts are sampled
 * in other numbers than training's, training's own log-probabilities take the place of the
 * sampler's, and {@link ImportanceWeights} correct for the difference. Leaves out several answers
 * per prompt and reuse of older experience.
 */
public final class PpoRecipe implements Recipe {
  private static final String POLICY = "policy";
  private static final String CRITIC = "critic";

  private final PpoConfig config;
  private final PpoStart start;
  private final PpoData data;
  private final Optional<Oracle> oracle;

  /** The oracle measures and is never trained on. */
  public PpoRecipe(PpoConfig config, PpoStart start, PpoData data, Optional<Oracle> oracle) {
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
  }

  /**
   * What came out.
   *
   * @param before the SFT model on the held-out prompts
   * @param after the trained policy on the same
   * @param winRate of after over before by the reward model's score
   * @param oracleWinRate the same by the oracle, when there is one
   * @param kl to the reference in the last round, nats per response
   * @param tokens generated while training
   */
  public record Result(
      long iterations,
      Evaluation before,
      Evaluation after,
      Proportion winRate,
      Optional<Proportion> oracleWinRate,
      double kl,
      double klCoefficient,
      long tokens,
      long skippedUpdates,
      Account account,
      boolean cancelled)
      implements StageResult {}

  /** What a resume needs beside the roles' own states; prompts and seeds follow from the step. */
  public record State(
      long iteration,
      double klCoefficient,
      double kl,
      long tokens,
      long skippedUpdates,
      Account account,
      Evaluation before) {}

  /** The four roles. */
  private record Roles(Role policy, Role critic, Role reward, Role reference) {
    List<Role> all() {
      return List.of(policy, critic, reward, reference);
    }
  }

  @Override
  public int totalSteps() {
    return config.iterations();
  }

  /** Trains and saves the policy. */
  @Override
  public Result run(StageContext context) {
    Roles roles = open(context);
    try {
      State state = begin(context, roles);
      KlController kl = controller(state.klCoefficient());
      Batches<Prompt> prompts =
          new Batches<>(
              data.prompts().train(),
              config.promptsPerIteration(),
              Batches.Last.LEFT_OUT,
              Seeds.derive(context.seed(), Seeds.Purpose.ORDER, 0));

      boolean cancelled = context.observer().cancelled();
      while (state.iteration() < config.iterations() && !cancelled) {
        long iteration = state.iteration() + 1;
        Phases phases = new Phases();
        Averages averages = new Averages();
        Ledger ledger = new Ledger(state.account());
        double coefficient = kl.coefficient();

        // 1. Answer the prompts.
        List<Rollout> rollouts =
            phases.time(
                "generate", () -> answer(roles, prompts.batch(iteration - 1), iteration, context));
        // 2. Score the answers; what the reference and the critic say of them, at the same time.
        // 3. Rewards per token: KL penalty, and the score where the placement wants it.
        List<Scored> scored =
            phases.time(
                "score", () -> score(roles, rollouts, coefficient, iteration, ledger, context));
        // 4. Advantages and returns by GAE; whitening over the round.
        List<Lesson> lessons =
            Lessons.of(scored, config.advantages(), config.policy().importanceCap());
        // 5. Learn: epochs of minibatches, policy and critic side by side.
        int skipped =
            phases.time("train", () -> learn(roles, lessons, iteration, averages, ledger, context));
        // 6. Set the KL coefficient of the next round.
        double meanKl = scored.stream().mapToDouble(Scored::kl).average().orElse(0);
        kl = kl.after(meanKl, scored.size());

        // 7. Books and reports.
        long tokens = rollouts.stream().mapToLong(r -> r.response().size()).sum();
        state =
            new State(
                iteration,
                kl.coefficient(),
                meanKl,
                state.tokens() + tokens,
                state.skippedUpdates() + skipped,
                ledger.account(),
                state.before());
        Map<String, Double> metrics = new TreeMap<>(averages.means());
        metrics.putAll(describe(rollouts, scored, lessons));
        if (!context.numerics().samplesAsItTrains()) {
          metrics.putAll(RolloutGap.of(scored, config.policy().importanceCap()).metrics());
        }
        metrics.put("kl", meanKl);
        metrics.put("klCoefficient", coefficient);
        metrics.put("tokensPerSecond", tokens / Math.max(1e-9, phases.of("generate")));
        context
            .observer()
            .experiences(
                context.stage(), iteration, lessons.stream().map(Lesson::experience).toList());
        context
            .observer()
            .step(context.stage(), iteration, config.iterations(), metrics, phases.seconds());

        // 8. Step boundary: checkpoint, stop when asked.
        cancelled = context.observer().cancelled();
        if (context.checkpoints().due(context.stage(), iteration, cancelled)) {
          String directory = context.checkpoints().begin(context.stage(), iteration);
          CompletionStage<Void> policySaved = roles.policy().checkpoint(directory + "/" + POLICY);
          CompletionStage<Void> criticSaved = roles.critic().checkpoint(directory + "/" + CRITIC);
          Await.on(policySaved);
          Await.on(criticSaved);
          context.checkpoints().commit(context.stage(), iteration, state);
        }
      }

      // 9. Measure again and save.
      Evaluation after = cancelled ? state.before() : evaluate(roles, context.seed());
      if (!cancelled) {
        Await.on(roles.policy().save(context.output()));
      }
      Evaluation before = state.before();
      return new Result(
          state.iteration(),
          before,
          after,
          after.winRateOver(before),
          oracle.map(judge -> after.winRateOver(before, judge)),
          state.kl(),
          kl.coefficient(),
          state.tokens(),
          state.skippedUpdates(),
          state.account(),
          cancelled);
    } finally {
      roles.all().stream().map(Role::close).toList().forEach(Await::on);
    }
  }

  private State begin(StageContext context, Roles roles) {
    Optional<Saved<State>> saved = context.checkpoints().latest(context.stage(), State.class);
    if (saved.isPresent()) {
      String directory = saved.get().directory();
      CompletionStage<Void> policyRestored = roles.policy().restore(directory + "/" + POLICY);
      CompletionStage<Void> criticRestored = roles.critic().restore(directory + "/" + CRITIC);
      Await.on(policyRestored);
      Await.on(criticRestored);
      return saved.get().state();
    }
    Ledger ledger = new Ledger(Account.EMPTY);
    ledger.droppedBefore(data.prompts().dropped());
    Evaluation before = evaluate(roles, context.seed());
    return new State(0, config.kl().coefficient(), 0, 0, 0, ledger.account(), before);
  }

  private List<Rollout> answer(
      Roles roles, List<Prompt> prompts, long iteration, StageContext context) {
    long seed = Seeds.derive(context.seed(), Seeds.Purpose.SAMPLING, iteration);
    return Await.on(roles.policy().generate(prompts, config.generation().settings(seed)));
  }

  private List<Scored> score(
      Roles roles,
      List<Rollout> rollouts,
      double klCoefficient,
      long iteration,
      Ledger ledger,
      StageContext context) {
    List<Rollout> answered = new ArrayList<>();
    for (Rollout rollout : rollouts) {
      String sample = sample(rollout, iteration);
      ledger.issued(sample);
      ledger.rolledOut(sample);
      if (rollout.response().size() == 0) {
        ledger.dropped(sample, "empty response");
      } else {
        answered.add(rollout);
      }
    }
    List<Sequence> responses = answered.stream().map(Rollout::sequence).toList();
    CompletionStage<List<TokenOutputs>> refLogprobs =
        roles.reference().evaluate(responses, Set.of(Output.LOGPROBS));
    Optional<CompletionStage<List<TokenOutputs>>> ownLogprobs =
        context.numerics().samplesAsItTrains()
            ? Optional.empty()
            : Optional.of(roles.policy().evaluate(responses, Set.of(Output.LOGPROBS)));
    CompletionStage<List<TokenOutputs>> values =
        roles.critic().evaluate(responses, Set.of(Output.VALUES));
    List<Double> scores = Evaluation.scores(roles.reward(), config.rewards().placement(), answered);
    List<TokenOutputs> ref = Await.on(refLogprobs);
    List<TokenOutputs> critic = Await.on(values);
    Optional<List<TokenOutputs>> own = ownLogprobs.map(Await::on);

    int fewestTrained =
        switch (config.rewards().placement()) {
          case MODERN -> 1;
          case DEEPSPEED_CHAT -> DeepSpeedChatRewards.FEWEST_TRAINED_ACTIONS;
        };
    List<Scored> scored = new ArrayList<>();
    for (int i = 0; i < answered.size(); i++) {
      Rollout rollout = answered.get(i);
      String sample = sample(rollout, iteration);
      if (!Double.isFinite(scores.get(i))) {
        ledger.dropped(sample, "score is not a finite number");
        continue;
      }
      ledger.scored(sample);
      Floats reference = ref.get(i).logprobs();
      int at = i;
      Floats logprobs = own.map(all -> all.get(at).logprobs()).orElse(rollout.logprobs());
      DeepSpeedChatRewards.OfResponse rewards =
          rewards(logprobs, rollout.finish(), reference, scores.get(i), klCoefficient);
      if (rewards.trainedActions() < fewestTrained) {
        ledger.dropped(sample, "too few trained tokens");
        continue;
      }
      scored.add(
          new Scored(
              sample,
              rollout,
              scores.get(i),
              logprobs,
              reference,
              critic.get(i).values(),
              rewards.rewards(),
              rewards.trainedActions(),
              Kl.K1.sum(logprobs, reference)));
    }
    return scored;
  }

  private DeepSpeedChatRewards.OfResponse rewards(
      Floats logprobs,
      FinishReason finish,
      Floats refLogprobs,
      double score,
      double klCoefficient) {
    PpoConfig.Rewards rewards = config.rewards();
    double penalty = rewards.missingEosPenalty().orElse(0.0);
    return switch (rewards.placement()) {
      case MODERN -> {
        double shaped = TokenRewards.score(score, optional(rewards.scoreClip()), penalty, finish);
        Floats perToken = TokenRewards.of(logprobs, refLogprobs, shaped, klCoefficient);
        yield new DeepSpeedChatRewards.OfResponse(perToken, perToken.size());
      }
      case DEEPSPEED_CHAT ->
          DeepSpeedChatRewards.ofResponse(
              logprobs,
              refLogprobs,
              finish,
              TokenRewards.score(score, OptionalDouble.empty(), penalty, finish),
              klCoefficient,
              rewards.scoreClip().orElse(5.0));
    };
  }

  /** Returns how many updates were skipped. */
  private int learn(
      Roles roles,
      List<Lesson> lessons,
      long iteration,
      Averages averages,
      Ledger ledger,
      StageContext context) {
    PolicyObjective policyLoss =
        new PolicyObjective(
            config.policy().clipEpsilon(),
            optional(config.policy().dualClip()),
            config.policy().entropyCoefficient(),
            config.averaging(),
            PolicyObjective.LOG_RATIO_LIMIT);
    PpoValueObjective valueLoss =
        new PpoValueObjective(config.critic().clipEpsilon(), config.averaging());
    boolean policyLearns = iteration > config.critic().warmupIterations();
    Set<String> learned = new HashSet<>();
    int skipped = 0;
    for (int epoch = 0; epoch < config.ppoEpochs(); epoch++) {
      long round = (iteration - 1) * config.ppoEpochs() + epoch;
      List<List<Lesson>> minibatches = minibatches(lessons, context.seed(), round);
      for (int i = 0; i < minibatches.size(); i++) {
        List<Lesson> minibatch = minibatches.get(i);
        CompletionStage<UpdateResult> critic =
            roles.critic().update(valueLoss, minibatch.stream().map(Lesson::forCritic).toList());
        List<UpdateResult> policy = new ArrayList<>();
        if (policyLearns) {
          policy.add(
              Await.on(
                  roles
                      .policy()
                      .update(policyLoss, minibatch.stream().map(Lesson::forPolicy).toList())));
          if (config.policy().ptxCoefficient() > 0) {
            policy.add(
                Await.on(ptx(roles, minibatch.size(), round * config.minibatches() + i, context)));
          }
        }
        boolean applied = false;
        for (UpdateResult update : policy) {
          averages.addAll(update);
          averages.add("gradientNorm", update.gradientNorm());
          averages.add("learningRate", update.learningRate());
          applied |= update.applied();
          skipped += noticeSkip(POLICY, update, iteration, context);
        }
        UpdateResult criticUpdate = Await.on(critic);
        averages.addAll(criticUpdate);
        averages.add("valueGradientNorm", criticUpdate.gradientNorm());
        skipped += noticeSkip(CRITIC, criticUpdate, iteration, context);
        if (policyLearns ? applied : criticUpdate.applied()) {
          minibatch.forEach(lesson -> learned.add(lesson.sample()));
        }
      }
    }
    for (Lesson lesson : lessons) {
      if (learned.contains(lesson.sample())) {
        ledger.trained(lesson.sample());
      } else {
        ledger.dropped(lesson.sample(), Samples.UPDATE_SKIPPED);
      }
    }
    return skipped;
  }

  /** One step on the pre-training loss (Ouyang et al. 2022, equation 2, its last term). */
  private CompletionStage<UpdateResult> ptx(
      Roles roles, int size, long step, StageContext context) {
    long seed = Seeds.derive(context.seed(), Seeds.Purpose.PRETRAINING, 0);
    List<SftExample> texts =
        new Batches<>(data.pretraining(), size, Batches.Last.FILLED, seed).batch(step);
    return roles
        .policy()
        .update(new SftObjective(Averaging.GLOBAL_TOKEN, config.policy().ptxCoefficient()), texts);
  }

  private static int noticeSkip(
      String role, UpdateResult update, long iteration, StageContext context) {
    if (update.applied()) {
      return 0;
    }
    context
        .observer()
        .notice(context.stage(), Samples.skipped(role, iteration, update.gradientNorm()));
    return 1;
  }

  private List<List<Lesson>> minibatches(List<Lesson> lessons, long seed, long round) {
    List<Lesson> shuffled = new ArrayList<>(lessons);
    Collections.shuffle(shuffled, new Random(Seeds.derive(seed, Seeds.Purpose.MINIBATCHES, round)));
    List<List<Lesson>> minibatches = new ArrayList<>();
    int count = Math.min(config.minibatches(), shuffled.size());
    for (int i = 0; i < count; i++) {
      minibatches.add(
          shuffled.subList(i * shuffled.size() / count, (i + 1) * shuffled.size() / count));
    }
    return minibatches;
  }

  private static Map<String, Double> describe(
      List<Rollout> rollouts, List<Scored> scored, List<Lesson> lessons) {
    Averages averages = new Averages();
    for (Rollout rollout : rollouts) {
      averages.add("responseLength", rollout.response().size());
      averages.add("truncatedFraction", rollout.finish() == FinishReason.LENGTH ? 1 : 0);
    }
    scored.forEach(one -> averages.add("score", one.score()));
    for (Lesson lesson : lessons) {
      averages.add(
          "rewards",
          IntStream.range(0, lesson.trained())
              .mapToDouble(t -> lesson.experience().rewards().get(t))
              .sum());
    }
    return averages.means();
  }

  private Evaluation evaluate(Roles roles, long seed) {
    return Evaluation.of(
        roles.policy(),
        Optional.of(roles.reward()),
        config.rewards().placement(),
        oracle,
        data.prompts().heldOut(),
        config.evaluation().generation().settings(Seeds.derive(seed, Seeds.Purpose.EVALUATION, 0)));
  }

  private KlController controller(double coefficient) {
    if (config.kl() instanceof KlConfig.Adaptive adaptive) {
      return new KlController.Adaptive(coefficient, adaptive.target(), adaptive.horizon());
    }
    return new KlController.Fixed(coefficient);
  }

  private Roles open(StageContext context) {
    long seed = context.seed();
    int perMinibatch = config.policy().ptxCoefficient() > 0 ? 2 : 1;
    int policySteps =
        perMinibatch
            * (config.totalUpdates()
                - config.critic().warmupIterations() * config.ppoEpochs() * config.minibatches());
    ModelStart criticStart =
        switch (config.critic().start()) {
          case REWARD_MODEL -> start.reward();
          case BASE -> new ModelStart(start.policy().model(), Optional.empty());
        };
    Tuning frozen = new Tuning.Frozen();
    CompletionStage<Role> policy =
        context.open(
            spec(
                POLICY,
                start.policy(),
                config.policy().tuning().tuning(),
                Head.LANGUAGE_MODEL,
                Optional.of(config.policy().optimizer().settings(Math.max(1, policySteps))),
                config.policy().emaDecay(),
                Seeds.derive(seed, Seeds.Purpose.POLICY, 0)));
    CompletionStage<Role> critic =
        context.open(
            spec(
                CRITIC,
                criticStart,
                config.critic().tuning().tuning(),
                Head.VALUE,
                Optional.of(config.critic().optimizer().settings(config.totalUpdates())),
                Optional.empty(),
                Seeds.derive(seed, Seeds.Purpose.CRITIC, 0)));
    CompletionStage<Role> reward =
        context.open(
            spec(
                "reward",
                start.reward(),
                frozen,
                Head.VALUE,
                Optional.empty(),
                Optional.empty(),
                Seeds.derive(seed, Seeds.Purpose.REWARD, 0)));
    CompletionStage<Role> reference =
        context.open(
            spec(
                "reference",
                start.policy(),
                frozen,
                Head.LANGUAGE_MODEL,
                Optional.empty(),
                Optional.empty(),
                Seeds.derive(seed, Seeds.Purpose.REFERENCE, 0)));
    return new Roles(Await.on(policy), Await.on(critic), Await.on(reward), Await.on(reference));
  }

  private RoleSpec spec(
      String name,
      ModelStart from,
      Tuning tuning,
      Head head,
      Optional<OptimizerSettings> optimizer,
      Optional<Double> emaDecay,
      long seed) {
    // Log-probabilities are compared with those of sampling, so they are taken at its temperature.
    return new RoleSpec(
        name,
        from.model(),
        from.adapter(),
        tuning,
        head,
        optimizer,
        config.generation().temperature(),
        emaDecay,
        seed);
  }

  private static String sample(Rollout rollout, long iteration) {
    return iteration + "/" + rollout.prompt().id();
  }

  private static OptionalDouble optional(Optional<Double> value) {
    return value.isPresent() ? OptionalDouble.of(value.get()) : OptionalDouble.empty();
  }
}
