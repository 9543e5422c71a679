package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.data.Trained;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.port.Checkpoints;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** The recipes on roles whose arithmetic is exact. Token 3 is good, 4 is bad, 5 is neither. */
class RecipesTest {
  private static final int GOOD = 3;
  private static final int BAD = 4;
  private static final ModelStart BASE = new ModelStart("tabular", Optional.empty());

  private final TabularCast cast = new TabularCast();
  private final Recording observer = new Recording();

  private final Oracle oracle =
      new Oracle() {
        @Override
        public boolean ruleSatisfied(String prompt, String reply) {
          return reply.contains("3") && !reply.contains("4");
        }

        @Override
        public boolean wellFormed(String prompt, String reply) {
          return reply.endsWith("0]");
        }
      };

  // --- SFT ---

  @Test
  void sft_lossFalls_andEverySampleIsTrainedOnce() {
    SftRecipe.Result result = sft(32).run(context("sft", observer, Checkpoints.NONE));

    // Next tokens are 3, 4 or 5 with equal shares: the entropy of the table is a little under ln 6.
    assertThat(result.heldOutLossBefore()).isCloseTo(Math.log(6), within(1e-6));
    assertThat(result.heldOutLossAfter()).isLessThan(result.heldOutLossBefore() - 0.3);
    assertThat(result.account()).isEqualTo(new Account(3 * 32 + 2, 3 * 32, Map.of("long", 2L)));
    assertThat(result.steps()).isEqualTo(3 * 4);
    assertThat(observer.steps).hasSize(12).allMatch(metrics -> metrics.containsKey("loss"));
    assertThat(cast.disk).containsKey("out/sft");
  }

  @Test
  void sft_skippedUpdate_isCountedAndNoticed() {
    cast.faults.failUpdates("policy", 1);
    SftRecipe.Result result = sft(32).run(context("sft", observer, Checkpoints.NONE));

    assertThat(result.skippedUpdates()).isEqualTo(1);
    assertThat(result.account().dropped()).containsEntry("update skipped", 8L);
    assertThat(result.account().trained()).isEqualTo(3 * 32 - 8);
    assertThat(observer.notices)
        .singleElement()
        .asString()
        .contains("step 1", "policy's gradient norm is NaN", "lower the learning rate");
  }

  @Test
  void sft_resumed_givesTheSameNumbersAsUninterrupted() {
    SftRecipe.Result whole = sft(30).run(context("sft", observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/sft");

    TabularCast second = new TabularCast();
    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    SftRecipe.Result part = sft(30).run(context(second, "sft", new Recording(5), checkpoints));
    SftRecipe.Result resumed = sft(30).run(context(second, "sft", new Recording(), checkpoints));

    assertThat(part.cancelled()).isTrue();
    assertThat(part.steps()).isEqualTo(5);
    assertThat(resumed).isEqualTo(whole);
    assertThat(second.disk.get("out/sft")).isEqualTo(expected);
  }

  // --- reward model ---

  @Test
  void rewardModel_learnsWhichReplyIsChosen() {
    RewardModelRecipe.Result result =
        rewardModel().run(context("reward", observer, Checkpoints.NONE));

    assertThat(result.before().accuracy().share()).isEqualTo(0.5);
    assertThat(result.after().accuracy().share()).isEqualTo(1);
    assertThat(result.after().accuracy().low()).isBetween(0.6, 0.9); // Wilson, 8 of 8: 0.676
    assertThat(result.after().margin()).isGreaterThan(0.5);
    assertThat(result.account()).isEqualTo(new Account(2 * 32, 2 * 32, Map.of()));
  }

  // --- PPO ---

  @Test
  void ppo_raisesTheScore_andTheOracleAgrees() {
    rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    PpoRecipe.Result result = ppo(ppoConfig(40)).run(context("ppo", observer, Checkpoints.NONE));

    assertThat(result.after().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.5);
    assertThat(result.after().metrics().get("ruleSatisfied"))
        .isGreaterThan(result.before().metrics().get("ruleSatisfied") + 0.3);
    assertThat(result.winRate().share()).isGreaterThan(0.7);
    assertThat(result.oracleWinRate().orElseThrow().share()).isGreaterThan(0.6);
    assertThat(result.kl()).isPositive();
    assertThat(result.account()).isEqualTo(new Account(40 * 16, 40 * 16, Map.of()));
    assertThat(observer.steps.get(0))
        .containsKeys(
            "score",
            "kl",
            "klCoefficient",
            "policyLoss",
            "valueLoss",
            "clipFraction",
            "approxKl",
            "responseLength",
            "truncatedFraction",
            "gradientNorm",
            "valueGradientNorm",
            "rewards",
            "learningRate",
            "tokensPerSecond");
    assertThat(observer.experiences).hasSize(40 * 16);
  }

  @Test
  void ppo_firstRound_policyIsTheReference_soRewardsAreTheShapedScoreAlone() {
    rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    ppo(ppoConfig(1)).run(context("ppo", observer, Checkpoints.NONE));

    for (Experience experience : observer.experiences) {
      float[] rewards = experience.rewards().values();
      for (int t = 0; t < rewards.length - 1; t++) {
        assertThat(rewards[t]).isCloseTo(0, within(1e-6f));
      }
      double penalty = experience.rollout().finish() == FinishReason.LENGTH ? 0.2 : 0;
      assertThat((double) rewards[rewards.length - 1])
          .isCloseTo(experience.score() - penalty, within(1e-5));
    }
  }

  /** Roles that sample in int8 here do so from another distribution than they train. */
  @Test
  void ppo_rolloutsInOtherNumbers_learnFromTrainingsOwn_andReportTheGap() {
    rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    Numerics coarse = new Numerics(Numerics.Precision.FP32, Numerics.RolloutWeights.INT8);
    PpoRecipe.Result result =
        ppo(ppoConfig(40)).run(context(cast, coarse, "ppo", observer, Checkpoints.NONE));

    // The policy is the reference at first, whatever the sampler says: no KL, no ratio but 1.
    assertThat(observer.steps.get(0).get("kl")).isZero();
    assertThat(observer.steps.get(0).get("logprobGapMean")).isBetween(0.05, 1.0);
    assertThat(observer.steps.get(0).get("logprobGapMax"))
        .isGreaterThan(observer.steps.get(0).get("logprobGapMean"));
    assertThat(observer.steps.get(39).get("importanceCappedFraction")).isBetween(0.0, 0.2);
    assertThat(result.after().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.5);
  }

  @Test
  void ppo_droppedSamples_areCountedByReason_andTheBooksBalance() {
    rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    cast.faults.emptyReply("p3").nanScoreAtLength(4).failUpdates("policy", 1);
    PpoConfig config = ppoConfig(10);
    PpoRecipe.Result result = ppo(config).run(context("ppo", observer, Checkpoints.NONE));

    Account account = result.account();
    assertThat(account.dropped().keySet())
        .contains("empty response", "score is not a finite number");
    assertThat(account.issued()).isEqualTo(10 * 16);
    assertThat(account.trained() + account.droppedTotal()).isEqualTo(account.issued());
    assertThat(result.skippedUpdates()).isEqualTo(1);
    assertThat(observer.notices).hasSize(1);
  }

  @Test
  void ppo_resumed_givesTheSameNumbersAsUninterrupted() {
    rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    PpoRecipe.Result whole = ppo(ppoConfig(9)).run(context("ppo", observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/ppo");

    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    Recording first = new Recording(4);
    PpoRecipe.Result part = ppo(ppoConfig(9)).run(context("ppo", first, checkpoints));
    assertThat(part.cancelled()).isTrue();
    assertThat(part.iterations()).isEqualTo(4);
    Recording second = new Recording();
    PpoRecipe.Result resumed = ppo(ppoConfig(9)).run(context("ppo", second, checkpoints));

    assertThat(resumed).isEqualTo(whole);
    assertThat(cast.disk.get("out/ppo")).isEqualTo(expected);
    List<Map<String, Double>> joined = new ArrayList<>(first.steps);
    joined.addAll(second.steps);
    for (int i = 0; i < joined.size(); i++) {
      assertThat(joined.get(i).get("policyLoss"))
          .isEqualTo(observer.steps.get(i).get("policyLoss"));
      assertThat(joined.get(i).get("klCoefficient"))
          .isEqualTo(observer.steps.get(i).get("klCoefficient"));
    }
  }

  @Test
  void ppo_deepSpeedChatPlacement_doesNotTrainTheEndOfSequence() {
    rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    PpoConfig modern = ppoConfig(2);
    PpoConfig config =
        new PpoConfig(
            2,
            16,
            1,
            1,
            Averaging.MICRO_BATCH,
            modern.generation(),
            new KlConfig.Fixed(0.1),
            new PpoConfig.Rewards(
                PpoConfig.Placement.DEEPSPEED_CHAT, Optional.of(5.0), Optional.empty()),
            new PpoConfig.Advantages(1, 0.95, Whitening.NONE),
            modern.policy(),
            modern.critic(),
            modern.evaluation());
    PpoRecipe.Result result = ppo(config).run(context("ppo", observer, Checkpoints.NONE));

    assertThat(cast.objectives)
        .filteredOn(PolicyObjective.class::isInstance)
        .isNotEmpty()
        .allMatch(o -> ((PolicyObjective) o).averaging() == Averaging.MICRO_BATCH);
    assertThat(cast.objectives)
        .filteredOn(PpoValueObjective.class::isInstance)
        .isNotEmpty()
        .allMatch(o -> ((PpoValueObjective) o).averaging() == Averaging.MICRO_BATCH);

    // DeepSpeed-Chat drops replies of one token before the end of sequence, or none.
    long tooShort = result.account().dropped().getOrDefault("too few trained tokens", 0L);
    assertThat(tooShort).isPositive();
    assertThat(result.account().trained()).isEqualTo(2 * 16 - tooShort);
    assertThat(observer.experiences)
        .allMatch(
            e ->
                e.rollout().finish() != FinishReason.EOS
                    || e.advantages().get(e.advantages().size() - 1) == 0);
  }

  @Test
  void ppo_ptxWithoutTexts_isAnError() {
    PpoConfig modern = ppoConfig(2);
    PpoConfig.Policy ptx =
        new PpoConfig.Policy(
            0.2,
            Optional.empty(),
            0,
            27.8,
            Optional.empty(),
            Optional.empty(),
            new TuningConfig.Full(),
            optimizer(0.1));
    PpoConfig config =
        new PpoConfig(
            2,
            16,
            1,
            1,
            modern.averaging(),
            modern.generation(),
            modern.kl(),
            modern.rewards(),
            modern.advantages(),
            ptx,
            modern.critic(),
            modern.evaluation());
    assertThatThrownBy(() -> ppo(config))
        .hasMessage(
            "ptx-coefficient is 27.8 and there are no pre-training texts; give them or set it to"
                + " 0");
  }

  // --- DPO ---

  @Test
  void dpo_marginRises_andTheOracleAgrees() {
    DpoRecipe.Result result = dpo().run(context("dpo", observer, Checkpoints.NONE));

    assertThat(observer.steps.get(0).get("margin")).isCloseTo(0, within(1e-6));
    assertThat(observer.steps.get(0).get("loss")).isCloseTo(Math.log(2), within(1e-6));
    assertThat(result.margin()).isGreaterThan(0.3);
    assertThat(result.accuracy().share()).isGreaterThan(0.9);
    assertThat(result.after().metrics().get("ruleSatisfied"))
        .isGreaterThan(result.before().metrics().get("ruleSatisfied") + 0.2);
  }

  @Test
  void dpo_resumed_givesTheSameNumbersAsUninterrupted() {
    DpoRecipe.Result whole = dpo().run(context("dpo", observer, Checkpoints.NONE));
    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    dpo().run(context("dpo", new Recording(7), checkpoints));
    assertThat(dpo().run(context("dpo", new Recording(), checkpoints))).isEqualTo(whole);
  }

  // --- data and configuration ---

  private StageContext context(String stage, Recording recording, Checkpoints checkpoints) {
    return context(cast, stage, recording, checkpoints);
  }

  private static StageContext context(
      TabularCast cast, String stage, Recording recording, Checkpoints checkpoints) {
    return context(cast, Numerics.EXACT, stage, recording, checkpoints);
  }

  private static StageContext context(
      TabularCast cast,
      Numerics numerics,
      String stage,
      Recording recording,
      Checkpoints checkpoints) {
    return new StageContext(stage, cast, numerics, recording, checkpoints, "out/" + stage, 11);
  }

  private static SftRecipe sft(int examples) {
    SplittableRandom random = new SplittableRandom(5);
    List<SftExample> all = new ArrayList<>();
    for (int i = 0; i < examples + 8; i++) {
      int middle = 3 + random.nextInt(3);
      all.add(new SftExample(Sequence.ofTargets(TokenIds.of(1, middle, 0), 1)));
    }
    return new SftRecipe(
        new SftConfig(
            3,
            8,
            Trained.COMPLETION,
            Averaging.GLOBAL_TOKEN,
            new TuningConfig.Full(),
            optimizer(1),
            8,
            100),
        BASE,
        TrainingData.split("items", all, 8, 1, Map.of("long", 2L)));
  }

  private static List<TokenIds[]> pairs(int count) {
    SplittableRandom random = new SplittableRandom(6);
    List<TokenIds[]> pairs = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int prompt = 1 + random.nextInt(2);
      pairs.add(new TokenIds[] {TokenIds.of(prompt, 5, GOOD, 0), TokenIds.of(prompt, BAD, 5, 0)});
    }
    return pairs;
  }

  private static RewardModelRecipe rewardModel() {
    List<RankedPair> all =
        pairs(40).stream().map(pair -> RankedPair.lastToken(pair[0], pair[1], 0)).toList();
    return new RewardModelRecipe(
        new RewardModelConfig(
            2,
            8,
            RewardObjective.Kind.LAST_TOKEN,
            0.01,
            new TuningConfig.Full(),
            optimizer(0.3),
            8),
        BASE,
        TrainingData.split("items", all, 8, 1, Map.of()));
  }

  private PpoRecipe ppo(PpoConfig config) {
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      prompts.add(new Prompt("p" + i, "prompt " + i, TokenIds.of(1 + i % 2)));
    }
    TrainingData<Prompt> data =
        new TrainingData<>(prompts.subList(0, 16), prompts.subList(16, 64), Map.of());
    ModelStart reward = new ModelStart("tabular", Optional.of("out/reward"));
    return new PpoRecipe(
        config, new PpoStart(BASE, reward), new PpoData(data, List.of()), Optional.of(oracle));
  }

  private static PpoConfig ppoConfig(int iterations) {
    GenerationConfig generation = new GenerationConfig(6, 1, 0, 1, List.of());
    return new PpoConfig(
        iterations,
        16,
        2,
        2,
        Averaging.GLOBAL_TOKEN,
        generation,
        new KlConfig.Adaptive(0.02, 2, 100),
        new PpoConfig.Rewards(PpoConfig.Placement.MODERN, Optional.empty(), Optional.of(0.2)),
        new PpoConfig.Advantages(1, 0.95, Whitening.CENTRED),
        new PpoConfig.Policy(
            0.2,
            Optional.of(3.0),
            0,
            0,
            Optional.of(2.0),
            Optional.empty(),
            new TuningConfig.Full(),
            optimizer(1)),
        new PpoConfig.Critic(
            PpoConfig.Start.REWARD_MODEL, 0.2, 0, new TuningConfig.Full(), optimizer(0.01)),
        new EvaluationConfig(48, 3, generation));
  }

  private DpoRecipe dpo() {
    List<TokenPair> all =
        pairs(40).stream()
            .map(p -> new TokenPair(head(p[0], 0, 1), head(p[0], 1, 4), head(p[1], 1, 4), 0))
            .toList();
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 48; i++) {
      prompts.add(new Prompt("p" + i, "prompt " + i, TokenIds.of(1 + i % 2)));
    }
    return new DpoRecipe(
        new DpoConfig(
            3,
            8,
            DpoLoss.Variant.SIGMOID,
            0.1,
            0,
            0,
            new TuningConfig.Full(),
            optimizer(5),
            8,
            new EvaluationConfig(48, 3, new GenerationConfig(6, 1, 0, 1, List.of()))),
        BASE,
        TrainingData.split("items", all, 8, 1, Map.of()),
        prompts,
        Optional.of(oracle));
  }

  private static TokenIds head(TokenIds tokens, int from, int to) {
    return new TokenIds(Arrays.copyOfRange(tokens.values(), from, to));
  }

  private static OptimizerConfig optimizer(double rate) {
    return new OptimizerConfig(
        rate, LearningRateSchedule.Shape.CONSTANT, 0, 0.9, 0.95, 1e-8, 0, 0, 0, false);
  }
}
