package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.reward.GuardConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What lies between the steps of a stage: failing, measuring, the best state, stopping early. */
class StepsTest {
  private final TabularCast cast = new TabularCast();
  private final Recording observer = new Recording();

  private StageContext context(String stage, Recording recording, Checkpoints checkpoints) {
    return new StageContext(
        stage, cast, Numerics.EXACT, recording, checkpoints, "out/" + stage, 11, 5);
  }

  private static BestConfig best(HeldOutMeasure measure, int patience) {
    return new BestConfig(Optional.of(measure), 0, patience);
  }

  // --- a stage that does not learn fails ---

  @Test
  void updatesSkippedInARow_failTheStage_andTheLastSoundStateIsSaved() {
    MemoryCheckpoints checkpoints = new MemoryCheckpoints(2);
    TabularRecipes.sft(32).run(context("sound", new Recording(4), checkpoints));
    double[] sound = cast.disk.get("sound/4/policy");
    // Steps 1 to 5 are done, 6 to 10 are not: what step 5 left made step 6 impossible.
    cast.faults.failUpdates("policy", 5, 6);
    SftRecipe.Result result = TabularRecipes.sft(32).run(context("sft", observer, checkpoints));

    assertThat(result.steps()).isEqualTo(10);
    assertThat(result.skippedUpdates()).isEqualTo(5);
    assertThat(result.cancelled()).isFalse();
    assertThat(result.heldOutLossAfter()).isEmpty();
    assertThat(result.failure().orElseThrow())
        .startsWith(
            "stage sft failed after step 10 of 12: 5 updates of the policy in a row were skipped,"
                + " since step 6 (limits.skipped-updates = 5): step 6: loss ")
        .contains("gradient norm NaN; step 7: ", "Lower the learning rate")
        .endsWith("The last sound state, after step 4, is saved in out/sft");
    assertThat(cast.disk.get("out/sft")).containsExactly(parameters(sound));
    assertThat(checkpoints.steps("sft")).containsExactly(2L, 4L);
  }

  @Test
  void lastUpdatesSkipped_failTheStage_evenBelowTheLimit_andTheLastSoundStateIsSaved() {
    MemoryCheckpoints checkpoints = new MemoryCheckpoints(2);
    TabularRecipes.sft(32).run(context("sound", new Recording(10), checkpoints));
    double[] sound = cast.disk.get("sound/10/policy");
    // Steps 1 to 11 are done and 12, the last, is not: the state after 11 is what it failed on.
    cast.faults.failUpdates("policy", 1, 12);
    SftRecipe.Result result = TabularRecipes.sft(32).run(context("sft", observer, checkpoints));

    assertThat(result.failure().orElseThrow())
        .startsWith(
            "stage sft failed after step 12 of 12: the last updates of the policy were skipped,"
                + " since step 12, so that nothing shows its weights to be sound: step 12: loss ")
        .endsWith("The last sound state, after step 10, is saved in out/sft");
    assertThat(cast.disk.get("out/sft")).containsExactly(parameters(sound));
  }

  @Test
  void updatesSkippedInBetween_areTold_andTheStageIsDone() {
    cast.faults.failUpdates("policy", 3, 5);
    SftRecipe.Result result =
        TabularRecipes.sft(32).run(context("sft", observer, new MemoryCheckpoints(2)));
    assertThat(result.failure()).isEmpty();
    assertThat(result.skippedUpdates()).isEqualTo(3);
  }

  private static double[] parameters(double[] checkpoint) {
    return java.util.Arrays.copyOf(checkpoint, checkpoint.length - 1);
  }

  @Test
  void notOneUpdateDone_failsAtTheEnd_evenBelowTheLimit_andSavesNothing() {
    cast.faults.failUpdates("reward", 100);
    RewardModelRecipe<RankedPair> recipe = TabularRecipes.rewardModel();
    RewardModelRecipe.Result result =
        recipe.run(
            new StageContext(
                "reward", cast, Numerics.EXACT, observer, Checkpoints.NONE, "out/reward", 11, 100));

    assertThat(result.failure().orElseThrow())
        .startsWith(
            "stage reward failed after step 8 of 8: none of the 8 updates of the reward was done,"
                + " since step 1: the last were step 4: loss ")
        .endsWith("Nothing of it was saved: there is no sound state with anything learned");
    assertThat(cast.disk).doesNotContainKey("out/reward");
  }

  @Test
  void gradientsOfZeroThroughout_fail() {
    cast.faults.noGradient("policy");
    PreferenceRecipe.Result result =
        TabularRecipes.dpo(0, BestConfig.NONE, Optional.empty())
            .run(context("dpo", observer, Checkpoints.NONE));
    assertThat(result.failure().orElseThrow())
        .contains("the policy learned nothing: in each of its 12 updates the gradient norm");
    assertThat(result.accuracy()).isEmpty();
    assertThat(result.after()).isEmpty();
  }

  @Test
  void ppo_criticThatNeverLearns_fails_andNamesIt() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    cast.faults.failUpdates("critic", 100);
    PpoRecipe.Result result =
        TabularRecipes.ppo(TabularRecipes.ppoConfig(10), Optional.empty())
            .run(context("ppo", observer, Checkpoints.NONE));
    // Four updates a round: the fifth in a row is in the second, which is done to its end.
    assertThat(result.iterations()).isEqualTo(2);
    assertThat(result.failure().orElseThrow())
        .contains("8 updates of the critic in a row were skipped, since step 1 ");
  }

  @Test
  void ppo_roundsWithoutASample_fail_andTheirFiguresAreAbsent() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    for (int i = 0; i < 64; i++) {
      cast.faults.emptyReply("p" + i);
    }
    PpoRecipe.Result result =
        TabularRecipes.ppo(TabularRecipes.ppoConfig(10), Optional.empty())
            .run(context("ppo", observer, Checkpoints.NONE));
    assertThat(result.iterations()).isEqualTo(5);
    assertThat(result.kl()).isEmpty();
    assertThat(result.account().dropped()).isEqualTo(Map.of("empty response", 5 * 16L));
    assertThat(result.failure().orElseThrow())
        .contains("no sample to learn from, dropped so far: {empty response=16}");
    assertThat(observer.steps.get(0)).doesNotContainKeys("kl", "score", "policyLoss", "rewards");
  }

  @Test
  void stoppedWhileUpdatesAreSkipped_resumesFromWhatWasSound_andFailsAlike() {
    MemoryCheckpoints straight = new MemoryCheckpoints(2);
    cast.faults.failUpdates("policy", 5, 3);
    SftRecipe.Result whole = TabularRecipes.sft(32).run(context("sft", observer, straight));

    MemoryCheckpoints checkpoints = new MemoryCheckpoints(2);
    cast.faults.failUpdates("policy", 2, 3);
    TabularRecipes.sft(32).run(context("sft", new Recording(4), checkpoints));
    assertThat(checkpoints.steps("sft")).containsExactly(2L);
    cast.faults.failUpdates("policy", 5, 1);
    SftRecipe.Result resumed =
        TabularRecipes.sft(32).run(context("sft", new Recording(), checkpoints));
    assertThat(resumed).isEqualTo(whole);
    assertThat(whole.failure()).isPresent();
  }

  // --- measuring while training, and the best state ---

  @Test
  void everyStage_measuresWhileItTrains() {
    TabularRecipes.sft(32, 8, TabularRecipes.optimizer(1), 5, BestConfig.NONE)
        .run(context("sft", observer, Checkpoints.NONE));
    assertThat(measuredSteps("heldOutLoss")).containsExactly(5, 10);

    observer.steps.clear();
    TabularRecipes.rewardModel(4, BestConfig.NONE)
        .run(context("reward", observer, Checkpoints.NONE));
    assertThat(measuredSteps("heldOutAccuracy")).containsExactly(4);
    assertThat(observer.steps.get(3)).containsKeys("heldOutLoss", "heldOutMargin");

    observer.steps.clear();
    TabularRecipes.dpo(5, BestConfig.NONE, Optional.empty())
        .run(context("dpo", observer, Checkpoints.NONE));
    assertThat(measuredSteps("heldOutAccuracy")).containsExactly(5, 10);
    assertThat(observer.steps.get(4)).containsKeys("heldOutLoss", "heldOutMargin");

    observer.steps.clear();
    TabularRecipes.ppo(TabularRecipes.ppoConfig(7, 3, BestConfig.NONE), Optional.empty())
        .run(context("ppo", observer, Checkpoints.NONE));
    assertThat(measuredSteps("heldOutScore")).containsExactly(3, 6);
    assertThat(observer.steps.get(2))
        .containsKeys("heldOutKl", "heldOutReward", "heldOutWinRate", "heldOutResponseLength");
    Map<String, Double> metrics = observer.steps.get(2);
    assertThat(metrics.get("heldOutReward"))
        .isEqualTo(metrics.get("heldOutScore") - 0.02 * metrics.get("heldOutKl"));
  }

  private List<Integer> measuredSteps(String metric) {
    return java.util.stream.IntStream.rangeClosed(1, observer.steps.size())
        .filter(step -> observer.steps.get(step - 1).containsKey(metric))
        .boxed()
        .toList();
  }

  @Test
  void best_isTheStateThatIsSaved_andStoppedEarlyWhereItGetsNoBetter() {
    // A rate that is far too high: the loss on the held-out texts falls first, then it jumps about.
    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    SftRecipe recipe =
        TabularRecipes.sft(32, 8, TabularRecipes.optimizer(20), 1, best(HeldOutMeasure.LOSS, 3));
    SftRecipe.Result result = recipe.run(context("sft", observer, checkpoints));

    Best found = result.best().orElseThrow();
    double least =
        observer.steps.stream().mapToDouble(step -> step.get("heldOutLoss")).min().orElseThrow();
    assertThat(found.metric()).isEqualTo("heldOutLoss");
    assertThat(found.value()).isEqualTo(least);
    assertThat(result.stoppedEarly()).isTrue();
    assertThat(result.steps()).isEqualTo(found.step() + 3).isLessThan(12);
    assertThat(result.heldOutLossAfter()).contains(least);
    assertThat(cast.disk.get("out/sft"))
        .containsExactly(parameters(cast.disk.get("sft/" + found.step() + "/policy")));
    assertThat(observer.notices).isEmpty();
    assertThat(observer.infos)
        .anyMatch(text -> text.startsWith("stopped early after step " + result.steps()))
        .anyMatch(text -> text.startsWith("the best heldOutLoss, "));
  }

  @Test
  void best_resumedAtAnyStep_isTheSameAsUninterrupted() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    PpoConfig config = TabularRecipes.ppoConfig(12, 2, best(HeldOutMeasure.SCORE, 2));
    PpoRecipe.Result whole =
        TabularRecipes.ppo(config, Optional.empty())
            .run(context("ppo", observer, new MemoryCheckpoints()));
    double[] expected = cast.disk.get("out/ppo");
    for (int stop = 1; stop < whole.iterations(); stop++) {
      MemoryCheckpoints checkpoints = new MemoryCheckpoints();
      TabularRecipes.ppo(config, Optional.empty())
          .run(context("ppo", new Recording(stop), checkpoints));
      cast.disk.remove("out/ppo");
      PpoRecipe.Result resumed =
          TabularRecipes.ppo(config, Optional.empty())
              .run(context("ppo", new Recording(), checkpoints));
      assertThat(resumed).as("stopped after step " + stop).isEqualTo(whole);
      assertThat(cast.disk.get("out/ppo")).containsExactly(expected);
    }
  }

  @Test
  void best_bothPairStages_takeTheBestByTheirMeasure() {
    for (HeldOutMeasure measure :
        List.of(HeldOutMeasure.LOSS, HeldOutMeasure.ACCURACY, HeldOutMeasure.MARGIN)) {
      observer.steps.clear();
      PreferenceRecipe.Result dpo =
          TabularRecipes.dpo(2, best(measure, 0), Optional.empty())
              .run(context("dpo-" + measure, observer, new MemoryCheckpoints()));
      double extreme =
          observer.steps.stream()
              .filter(step -> step.containsKey(measure.metric()))
              .mapToDouble(step -> step.get(measure.metric()))
              .reduce((a, b) -> measure.gain(a, b) >= 0 ? a : b)
              .orElseThrow();
      assertThat(dpo.best().orElseThrow().value()).isEqualTo(extreme);
      assertThat(dpo.stoppedEarly()).isFalse();
      RewardModelRecipe.Result reward =
          TabularRecipes.rewardModel(2, best(measure, 0))
              .run(context("reward-" + measure, new Recording(), new MemoryCheckpoints()));
      assertThat(reward.best().orElseThrow().metric()).isEqualTo(measure.metric());
    }
  }

  @Test
  void nothingHeldOut_isNotMeasured() {
    SftRecipe.Result result =
        TabularRecipes.sft(32, 0, TabularRecipes.optimizer(1), 2, BestConfig.NONE)
            .run(context("sft", observer, Checkpoints.NONE));
    assertThat(result.heldOutLossBefore()).isEmpty();
    assertThat(result.heldOutLossAfter()).isEmpty();
    assertThat(measuredSteps("heldOutLoss")).isEmpty();
  }

  @Test
  void dpo_policyThatIsTheReference_isRightInHalfOfThePairs() {
    TabularRecipes.dpo(0, BestConfig.NONE, Optional.empty())
        .run(context("dpo", observer, Checkpoints.NONE));
    assertThat(observer.steps.get(0).get("accuracy")).isEqualTo(0.5);
  }

  // --- configuration ---

  @Test
  void best_withoutMeasurements_isRefused() {
    assertThatThrownBy(() -> new BestConfig(Optional.empty(), 0, 2))
        .hasMessage(
            "patience is 2, allowed: 0 where best.metric is null: there is nothing to be patient"
                + " for");
    assertThatThrownBy(
            () ->
                TabularRecipes.sft(
                    8, 0, TabularRecipes.optimizer(1), 0, best(HeldOutMeasure.SCORE, 0)))
        .hasMessage(
            "best.metric is score, allowed: null, loss; evaluate-every is 0, allowed: at least 1"
                + " with best.metric, which is measured then; held-out is 0, allowed: at least 1"
                + " with best.metric, to measure on");
  }

  @Test
  void ppo_warmupOfAllRounds_isRefused() {
    PpoConfig config = TabularRecipes.ppoConfig(3);
    PpoConfig.Critic critic =
        new PpoConfig.Critic(
            PpoConfig.Start.BASE,
            0.2,
            3,
            new TuningConfig.Full(),
            new OptimizerConfig(
                1, LearningRateSchedule.Shape.CONSTANT, 0, 0.9, 0.95, 1e-8, 0, 0, 0, false));
    assertThatThrownBy(
            () ->
                new PpoConfig(
                    3,
                    16,
                    1,
                    1,
                    config.averaging(),
                    config.generation(),
                    config.kl(),
                    config.rewards(),
                    config.right(),
                    config.tokenRewards(),
                    config.advantages(),
                    config.policy(),
                    critic,
                    0,
                    BestConfig.NONE,
                    GuardConfig.of(GuardConfig.Act.OFF),
                    config.evaluation()))
        .hasMessage(
            "critic.warmup-iterations is 3, allowed: below iterations (3), or the policy learns"
                + " nothing");
  }
}
