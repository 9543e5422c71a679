package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.reward.GuardConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The recipes on roles whose arithmetic is exact. Token 3 is good, 4 is bad, 5 is neither. */
class RecipesTest {

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
    SftRecipe.Result result =
        TabularRecipes.sft(32).run(context("sft", observer, Checkpoints.NONE));

    // Next tokens are 3, 4 or 5 with equal shares: the entropy of the table is a little under ln 6.
    assertThat(result.heldOutLossBefore().orElseThrow()).isCloseTo(Math.log(6), within(1e-6));
    assertThat(result.heldOutLossAfter().orElseThrow())
        .isLessThan(result.heldOutLossBefore().orElseThrow() - 0.3);
    assertThat(result.account()).isEqualTo(new Account(3 * 32 + 2, 3 * 32, Map.of("long", 2L)));
    assertThat(result.steps()).isEqualTo(3 * 4);
    assertThat(observer.steps).hasSize(12).allMatch(metrics -> metrics.containsKey("loss"));
    assertThat(cast.disk).containsKey("out/sft");
  }

  @Test
  void sft_skippedUpdate_isCountedAndNoticed() {
    cast.faults.failUpdates("policy", 1);
    SftRecipe.Result result =
        TabularRecipes.sft(32).run(context("sft", observer, Checkpoints.NONE));

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
    SftRecipe.Result whole = TabularRecipes.sft(30).run(context("sft", observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/sft");

    TabularCast second = new TabularCast();
    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    SftRecipe.Result part =
        TabularRecipes.sft(30).run(context(second, "sft", new Recording(5), checkpoints));
    SftRecipe.Result resumed =
        TabularRecipes.sft(30).run(context(second, "sft", new Recording(), checkpoints));

    assertThat(part.cancelled()).isTrue();
    assertThat(part.steps()).isEqualTo(5);
    assertThat(resumed).isEqualTo(whole);
    assertThat(second.disk.get("out/sft")).isEqualTo(expected);
  }

  // --- reward model ---

  @Test
  void rewardModel_learnsWhichReplyIsChosen() {
    RewardModelRecipe.Result result =
        TabularRecipes.rewardModel().run(context("reward", observer, Checkpoints.NONE));

    assertThat(result.before().accuracy().orElseThrow().share()).isEqualTo(0.5);
    assertThat(result.after().orElseThrow().accuracy().orElseThrow().share()).isEqualTo(1);
    assertThat(result.after().orElseThrow().accuracy().orElseThrow().low())
        .isBetween(0.6, 0.9); // Wilson, 8 of 8: 0.676
    assertThat(result.after().orElseThrow().margin().orElseThrow()).isGreaterThan(0.5);
    assertThat(result.account()).isEqualTo(new Account(2 * 32, 2 * 32, Map.of()));
  }

  // --- PPO ---

  @Test
  void ppo_raisesTheScore_andTheOracleAgrees() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    PpoRecipe.Result result =
        ppo(TabularRecipes.ppoConfig(40)).run(context("ppo", observer, Checkpoints.NONE));

    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.5);
    assertThat(result.after().orElseThrow().metrics().get("ruleSatisfied"))
        .isGreaterThan(result.before().metrics().get("ruleSatisfied") + 0.3);
    assertThat(result.winRate().orElseThrow().share()).isGreaterThan(0.7);
    assertThat(result.oracleWinRate().orElseThrow().share()).isGreaterThan(0.6);
    assertThat(result.kl().orElseThrow()).isPositive();
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
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    ppo(TabularRecipes.ppoConfig(1)).run(context("ppo", observer, Checkpoints.NONE));

    for (Experience experience : observer.experiences) {
      float[] rewards = experience.rewards().orElseThrow().values();
      for (int t = 0; t < rewards.length - 1; t++) {
        assertThat(rewards[t]).isCloseTo(0, within(1e-6f));
      }
      double penalty = experience.rollout().finish() == FinishReason.LENGTH ? 0.2 : 0;
      assertThat((double) rewards[rewards.length - 1])
          .isCloseTo(experience.score().orElseThrow() - penalty, within(1e-5));
    }
  }

  /** Roles that sample in int8 here do so from another distribution than they train. */
  @Test
  void ppo_rolloutsInOtherNumbers_learnFromTrainingsOwn_andReportTheGap() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    Numerics coarse = new Numerics(Numerics.Precision.FP32, Numerics.RolloutWeights.INT8);
    PpoRecipe.Result result =
        ppo(TabularRecipes.ppoConfig(40))
            .run(context(cast, coarse, "ppo", observer, Checkpoints.NONE));

    // The policy is the reference at first, whatever the sampler says: no KL, no ratio but 1.
    assertThat(observer.steps.get(0).get("kl")).isZero();
    assertThat(observer.steps.get(0).get("logprobGapMean")).isBetween(0.05, 1.0);
    assertThat(observer.steps.get(0).get("logprobGapMax"))
        .isGreaterThan(observer.steps.get(0).get("logprobGapMean"));
    assertThat(observer.steps.get(39).get("importanceCappedFraction")).isBetween(0.0, 0.2);
    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.5);
  }

  @Test
  void ppo_droppedSamples_areCountedByReason_andTheBooksBalance() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    cast.faults.emptyReply("p3").nanScoreAtLength(4).failUpdates("policy", 1);
    PpoConfig config = TabularRecipes.ppoConfig(10);
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
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    PpoRecipe.Result whole =
        ppo(TabularRecipes.ppoConfig(9)).run(context("ppo", observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/ppo");

    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    Recording first = new Recording(4);
    PpoRecipe.Result part =
        ppo(TabularRecipes.ppoConfig(9)).run(context("ppo", first, checkpoints));
    assertThat(part.cancelled()).isTrue();
    assertThat(part.iterations()).isEqualTo(4);
    Recording second = new Recording();
    PpoRecipe.Result resumed =
        ppo(TabularRecipes.ppoConfig(9)).run(context("ppo", second, checkpoints));

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
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    PpoConfig modern = TabularRecipes.ppoConfig(2);
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
            0,
            BestConfig.NONE,
            GuardConfig.of(GuardConfig.Act.OFF),
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
                    || last(e.advantages().orElseThrow()) == 0);
  }

  private static float last(Floats values) {
    return values.get(values.size() - 1);
  }

  @Test
  void ppo_ptxWithoutTexts_isAnError() {
    PpoConfig modern = TabularRecipes.ppoConfig(2);
    PpoConfig.Policy ptx =
        new PpoConfig.Policy(
            0.2,
            Optional.empty(),
            0,
            27.8,
            Optional.empty(),
            Optional.empty(),
            new TuningConfig.Full(),
            TabularRecipes.optimizer(0.1));
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
            0,
            BestConfig.NONE,
            GuardConfig.of(GuardConfig.Act.OFF),
            modern.evaluation());
    assertThatThrownBy(() -> ppo(config))
        .hasMessage(
            "ptx-coefficient is 27.8 and there are no pre-training texts; give them or set it to"
                + " 0");
  }

  // --- DPO ---

  @Test
  void dpo_marginRises_andTheOracleAgrees() {
    PreferenceRecipe.Result result = dpo().run(context("dpo", observer, Checkpoints.NONE));

    assertThat(observer.steps.get(0).get("margin")).isCloseTo(0, within(1e-6));
    assertThat(observer.steps.get(0).get("loss")).isCloseTo(Math.log(2), within(1e-6));
    assertThat(result.margin().orElseThrow()).isGreaterThan(0.3);
    assertThat(result.accuracy().orElseThrow().share()).isGreaterThan(0.9);
    assertThat(result.after().orElseThrow().metrics().get("ruleSatisfied"))
        .isGreaterThan(result.before().metrics().get("ruleSatisfied") + 0.2);
  }

  @Test
  void dpo_resumed_givesTheSameNumbersAsUninterrupted() {
    PreferenceRecipe.Result whole = dpo().run(context("dpo", observer, Checkpoints.NONE));
    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    dpo().run(context("dpo", new Recording(7), checkpoints));
    assertThat(dpo().run(context("dpo", new Recording(), checkpoints))).isEqualTo(whole);
  }

  // --- surroundings ---

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
    return new StageContext(stage, cast, numerics, recording, checkpoints, "out/" + stage, 11, 5);
  }

  private PpoRecipe ppo(PpoConfig config) {
    return TabularRecipes.ppo(config, Optional.of(oracle));
  }

  private PreferenceRecipe<TokenPair, DpoPair> dpo() {
    return TabularRecipes.dpo(0, BestConfig.NONE, Optional.of(oracle));
  }
}
