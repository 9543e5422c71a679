package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.PpoValueObjective;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.GuardConfig;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.stream.Collectors;
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
    Numerics coarse = new Numerics(Storage.FP32, Storage.INT8);
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
        .contains("empty response", "no score: not a finite number");
    assertThat(account.issued()).isEqualTo(10 * 16);
    assertThat(account.trained() + account.droppedTotal()).isEqualTo(account.issued());
    assertThat(result.skippedUpdates()).isEqualTo(1);
    Map<Boolean, List<String>> notices =
        observer.notices.stream()
            .collect(Collectors.partitioningBy(text -> text.contains("not a finite number")));
    assertThat(notices.get(true))
        .isNotEmpty()
        .allMatch(
            text -> text.endsWith(" answers not scored, left out: not a finite number (NaN)"));
    assertThat(notices.get(false)).hasSize(1);
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
            Map.of(),
            Optional.empty(),
            new PpoConfig.TokenRewards(
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

  /** Such of the vocabulary's third token as there are, where one service has no answer. */
  private static Rewards threes(PpoConfig config) {
    return new Rewards(
        "ppo.rewards",
        config.rewards(),
        (name, reward) ->
            new Scorer() {
              @Override
              public String name() {
                return name;
              }

              @Override
              public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
                return CompletableFuture.completedFuture(
                    rollouts.stream()
                        .map(
                            rollout ->
                                rollout.prompt().id().equals("p3")
                                    ? new Score.Unscored("no service", "at all")
                                    : Score.of(rollout.text().contains("3")))
                        .toList());
              }
            });
  }

  private PpoRecipe byRules(PpoConfig config) {
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      prompts.add(new Prompt("p" + i, "prompt " + i, TokenIds.of(1 + i % 2)));
    }
    return TabularRecipes.ppo(
        config,
        new TrainingData<>(prompts.subList(0, 16), prompts.subList(16, 64), Map.of()),
        Optional.empty(),
        Optional.of(threes(config)),
        Optional.empty());
  }

  @Test
  void ppo_byRules_learnsWithoutARewardModel_andDropsWhatHasNoScore() {
    PpoConfig config =
        TabularRecipes.byRules(
            TabularRecipes.ppoConfig(40),
            Map.of(
                "three", new RewardConfig.Java(1, "three", 16, 10),
                "brief", new RewardConfig.Length(0.1, 1, 20)));
    PpoRecipe.Result result = byRules(config).run(context("ppo", observer, Checkpoints.NONE));

    // There is none on the disk that a role could have been opened from.
    assertThat(cast.disk).doesNotContainKey("out/reward");
    assertThat(result.before().metrics()).containsKeys("score", "ruleSatisfied", "rewards.three");
    assertThat(result.after().orElseThrow().metrics().get("ruleSatisfied"))
        .isGreaterThan(result.before().metrics().get("ruleSatisfied") + 0.3);
    assertThat(result.winRate().orElseThrow().share()).isGreaterThan(0.6);
    assertThat(observer.steps.get(0))
        .containsKeys("score", "rewards.three", "rewards.brief", "ruleSatisfied")
        .containsEntry("unscoredFraction", 1.0 / 16);
    assertThat(result.account().dropped()).containsEntry("no score: three: no service", 40L);
    assertThat(result.account().trained() + result.account().droppedTotal())
        .isEqualTo(result.account().issued());
    assertThat(observer.notices)
        .hasSize(40)
        .allMatch(
            text ->
                text.endsWith("1 of 16 answers not scored, left out: three: no service (at all)"));
  }

  @Test
  void ppo_byRules_resumed_givesTheSameNumbersAsUninterrupted() {
    PpoConfig config =
        TabularRecipes.byRules(
            TabularRecipes.ppoConfig(9),
            Map.of("three", new RewardConfig.Java(1, "three", 16, 10)));
    PpoRecipe.Result whole = byRules(config).run(context("ppo", observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/ppo");

    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    Recording first = new Recording(4);
    assertThat(byRules(config).run(context("ppo", first, checkpoints)).cancelled()).isTrue();
    Recording second = new Recording();
    assertThat(byRules(config).run(context("ppo", second, checkpoints))).isEqualTo(whole);
    assertThat(cast.disk.get("out/ppo")).isEqualTo(expected);
    assertThat(second.steps.get(4).get("score")).isEqualTo(observer.steps.get(8).get("score"));
  }

  /** The reward model as the only reward is what it is without any. */
  @Test
  void ppo_rewardModelAsAReward_isTheRewardModelAlone() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    ppo(TabularRecipes.ppoConfig(5)).run(context("ppo", observer, Checkpoints.NONE));
    double[] alone = cast.disk.get("out/ppo");
    PpoConfig named =
        TabularRecipes.scoredBy(
            TabularRecipes.ppoConfig(5),
            Map.of("m", new RewardConfig.Model(1, RewardConfig.Model.Placement.MODERN)),
            PpoConfig.Start.REWARD_MODEL);
    byRules(named).run(context("ppo", new Recording(), Checkpoints.NONE));
    assertThat(cast.disk.get("out/ppo")).isEqualTo(alone);
  }

  @Test
  void ppo_rewardsWithoutTheRewardModel_needACriticFromTheBase() {
    assertThatThrownBy(
            () ->
                TabularRecipes.scoredBy(
                    TabularRecipes.ppoConfig(2),
                    Map.of("three", new RewardConfig.Java(1, "three", 16, 10)),
                    PpoConfig.Start.REWARD_MODEL))
        .hasMessage(
            "critic.start is reward-model, allowed: base, where none of the rewards is the reward"
                + " model");
    assertThatThrownBy(
            () ->
                TabularRecipes.scoredBy(
                    TabularRecipes.ppoConfig(2),
                    Map.of("world", new RewardConfig.Environment(1)),
                    PpoConfig.Start.BASE))
        .hasMessage(
            "rewards is with one of type environment, allowed: others: answers are given in no"
                + " environment");
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
            Map.of(),
            Optional.empty(),
            modern.tokenRewards(),
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
