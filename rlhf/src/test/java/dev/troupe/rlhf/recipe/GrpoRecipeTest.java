package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.GroupAdvantages.Baseline;
import dev.troupe.rlhf.loss.GroupAdvantages.Scale;
import dev.troupe.rlhf.loss.PolicyObjective;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.PatternRule;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The family on a role whose arithmetic is exact. An answer with a 3 and without a 4 is right. */
class GrpoRecipeTest {
  private final TabularCast cast = new TabularCast();
  private final Recording observer = new Recording();
  private final GrpoChoices choices = new GrpoChoices();

  @Test
  void grpo_raisesTheScore_withoutReferenceOrCritic() {
    GrpoRecipe.Result result = run(right());

    assertThat(cast.opened).extracting(RoleSpec::name).containsExactly("policy");
    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.3);
    assertThat(result.winRate().orElseThrow().share()).isGreaterThan(0.6);
    assertThat(result.after().orElseThrow().metrics())
        .containsEntry("ruleSatisfied", result.after().orElseThrow().metrics().get("score"))
        .containsKey("rewards.right");
    assertThat(result.kl()).isEmpty();
    assertThat(result.account()).isEqualTo(new Account(30 * 32 + 1, 30 * 32, Map.of("long", 1L)));
    assertThat(result.groups()).isEqualTo(30 * 8);
    assertThat(observer.steps.get(0))
        .containsKeys(
            "score",
            "loss",
            "policyLoss",
            "clipFraction",
            "constantGroups",
            "unscoredFraction",
            "responseLength",
            "truncatedFraction",
            "gradientNorm",
            "learningRate",
            "tokensPerSecond")
        .doesNotContainKeys("kl", "refKl");
    assertThat(observer.experiences).hasSize(30 * 32);
  }

  /** The reward model scores a whole answer; the rule says which of them are right. */
  @Test
  void configuredRewards_modelAndPattern_areSummed_andTheModelIsOpened() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    choices.rewards =
        Map.of(
            "model", new RewardConfig.Model(1, RewardConfig.Model.Placement.MODERN),
            "three", new RewardConfig.Pattern(0.5, "3", PatternRule.Use.CONTAINS));
    choices.right = Optional.of("three");
    cast.opened.clear();
    GrpoRecipe.Result result = configured().run(context("grpo", observer, Checkpoints.NONE));

    assertThat(cast.opened).extracting(RoleSpec::name).containsExactly("policy", "reward");
    Map<String, Double> after = result.after().orElseThrow().metrics();
    assertThat(after.get("score"))
        .isCloseTo(after.get("rewards.model") + 0.5 * after.get("rewards.three"), within(1e-9));
    assertThat(after.get("ruleSatisfied"))
        .isEqualTo(after.get("rewards.three"))
        .isGreaterThan(result.before().metrics().get("ruleSatisfied") + 0.2);
  }

  private static Arguments kind(String name, Consumer<GrpoChoices> change) {
    return Arguments.of(name, change);
  }

  private static SurrogateConfig clip(double low, double high) {
    return new SurrogateConfig.Clip(low, high, Optional.empty());
  }

  static Stream<Arguments> family() {
    return Stream.of(
        kind(
            "grpo with a KL in the loss",
            it -> {
              it.kl = GrpoChoices.kl(0.05, ReferenceConfig.Placement.LOSS);
              it.learn = GrpoChoices.gradient(Ratio.TOKEN, clip(0.2, 0.2), Learn.Mean.ANSWER);
            }),
        kind(
            "dr-grpo",
            it -> {
              it.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.NONE);
              it.learn = GrpoChoices.gradient(Ratio.TOKEN, clip(0.2, 0.2), Learn.Mean.LIMIT);
              it.learningRate = 4;
            }),
        kind(
            "rloo",
            it -> {
              it.advantages = GrpoChoices.advantages(Baseline.LEAVE_ONE_OUT, Scale.NONE);
              it.kl = GrpoChoices.kl(0.05, ReferenceConfig.Placement.REWARD);
              it.learn = GrpoChoices.gradient(Ratio.SEQUENCE, clip(0.2, 0.2), Learn.Mean.ANSWER);
              it.learningRate = 0.5;
            }),
        kind(
            "dapo",
            it -> {
              it.groups = new GrpoConfig.Groups(GrpoConfig.Constant.REFILL, 3);
              it.length = new LengthConfig(Optional.of(2), 1, 1, true);
              it.learn = GrpoChoices.gradient(Ratio.TOKEN, clip(0.2, 0.28), Learn.Mean.TOKEN);
              it.minibatches = 2;
            }),
        kind(
            "gspo",
            it -> {
              it.learn =
                  GrpoChoices.gradient(Ratio.SEQUENCE_MEAN, clip(3e-4, 4e-4), Learn.Mean.ANSWER);
              it.minibatches = 2;
            }),
        kind(
            "cispo",
            it -> {
              it.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.BATCH);
              it.groups = new GrpoConfig.Groups(GrpoConfig.Constant.DROP, 0);
              it.learn =
                  GrpoChoices.gradient(
                      Ratio.TOKEN, new SurrogateConfig.Cispo(5), Learn.Mean.PROMPT);
            }),
        kind(
            "sapo",
            it ->
                it.learn =
                    GrpoChoices.gradient(
                        Ratio.TOKEN, new SurrogateConfig.Sapo(1, 1.05), Learn.Mean.ANSWER)),
        kind(
            "reinforce++",
            it -> {
              it.answers = 1;
              it.prompts = 16;
              it.advantages =
                  new GroupAdvantagesConfig(
                      Baseline.NONE,
                      Scale.NONE,
                      0,
                      GroupAdvantagesConfig.Credit.TOKEN,
                      1,
                      Whitening.CENTRED);
              it.kl = GrpoChoices.kl(0.02, ReferenceConfig.Placement.REWARD);
            }),
        kind(
            "reinforce++ with a baseline",
            it -> {
              it.advantages =
                  new GroupAdvantagesConfig(
                      Baseline.MEAN,
                      Scale.NONE,
                      0,
                      GroupAdvantagesConfig.Credit.TOKEN,
                      1,
                      Whitening.CENTRED);
              it.kl = GrpoChoices.kl(0.02, ReferenceConfig.Placement.REWARD);
            }),
        kind(
            "maxrl", it -> it.advantages = GrpoChoices.advantages(Baseline.MEAN, Scale.GROUP_MEAN)),
        kind(
            "best of n",
            it -> {
              it.learn = new Learn.BestOfN(Optional.of(0.5));
              it.learningRate = 0.5;
            }),
        kind(
            "online dpo",
            it -> {
              it.learn = new Learn.Preferences(DpoLoss.Variant.SIGMOID, 0.1, 0);
              it.learningRate = 10;
            }));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("family")
  void everyRelative_raisesTheScore_andItsBooksBalance(String name, Consumer<GrpoChoices> change) {
    change.accept(choices);
    GrpoRecipe.Result result = run(right());

    assertThat(result.failure()).as(name).isEmpty();
    assertThat(result.after().orElseThrow().metrics().get("score"))
        .as(name)
        .isGreaterThan(result.before().metrics().get("score") + 0.2);
    Account account = result.account();
    assertThat(account.issued()).isEqualTo(account.trained() + account.droppedTotal());
    assertThat(account.trained()).isPositive();
    Class<?> loss =
        switch (name) {
          case "best of n" -> SftObjective.class;
          case "online dpo" -> DpoObjective.class;
          default -> PolicyObjective.class;
        };
    assertThat(cast.objectives).isNotEmpty().allMatch(loss::isInstance);
  }

  @Test
  void distillation_alone_comesToTheTeacher() {
    choices.iterations = 40;
    run(right());
    cast.disk.put("teacher", cast.disk.get("out/grpo"));
    choices.teacher = new TeacherConfig(Optional.of("tabular"), Optional.of("teacher"), 1, 0);
    choices.advantages = GrpoChoices.advantages(Baseline.NONE, Scale.NONE);
    choices.answers = 1;
    choices.prompts = 16;
    choices.learn =
        GrpoChoices.gradient(
            Ratio.TOKEN, new SurrogateConfig.ImportanceSampling(), Learn.Mean.TOKEN);
    Recording second = new Recording();
    choices.rewards = Map.of();
    GrpoRecipe.Result result = configured().run(context("student", second, Checkpoints.NONE));

    assertThat(cast.opened)
        .extracting(RoleSpec::name)
        .contains("teacher")
        .doesNotContain("reference");
    assertThat(second.steps.get(0).get("teacherKl")).isGreaterThan(0.1);
    assertThat(second.steps.get(39).get("teacherKl"))
        .isLessThan(second.steps.get(0).get("teacherKl") / 4);
    assertThat(result.after().orElseThrow().metrics()).doesNotContainKey("score");
    assertThat(result.account().trained()).isEqualTo(40 * 16);
  }

  @Test
  void answersWithoutScoreOrToken_areLeftOutAndCounted_andSaidSo() {
    cast.faults.emptyReply("p3");
    choices.iterations = 6;
    GrpoRecipe.Result result =
        run(
            rollout ->
                rollout.response().size() == 2
                    ? new Score.Unscored("too short to tell", "it has 2 tokens")
                    : judged(rollout));

    Map<String, Long> dropped = result.account().dropped();
    assertThat(dropped.keySet()).contains("empty response", "no score: too short to tell", "long");
    assertThat(result.account().issued()).isEqualTo(6 * 32 + 1);
    assertThat(result.account().trained() + result.account().droppedTotal())
        .isEqualTo(result.account().issued());
    assertThat(observer.steps.get(0).get("unscoredFraction")).isPositive();
    assertThat(observer.notices.get(0))
        .matches(
            "step 1: \\d+ of 32 answers not scored, left out: too short to tell \\(it has 2"
                + " tokens\\)");
  }

  @Test
  void constantGroups_dropped_areCounted() {
    choices.answers = 2;
    choices.groups = new GrpoConfig.Groups(GrpoConfig.Constant.DROP, 0);
    GrpoRecipe.Result result = run(right());

    assertThat(result.constantGroups()).isPositive();
    assertThat(result.account().dropped())
        .containsEntry("constant group", 2 * result.constantGroups());
    assertThat(result.groups()).isEqualTo(30 * 8);
  }

  /** Of each four answers to a prompt one has a score: it says nothing of how the four compare. */
  @Test
  void loneAnswers_areNoConstantGroup_andOtherPromptsTakeTheirPlace() {
    choices.iterations = 1;
    choices.prompts = 4;
    for (GrpoConfig.Constant constant : GrpoConfig.Constant.values()) {
      choices.groups =
          new GrpoConfig.Groups(constant, constant == GrpoConfig.Constant.REFILL ? 3 : 0);
      int[] at = {0};
      GrpoRecipe.Result result =
          run(
              rollout ->
                  at[0]++ % 4 == 0 ? Score.of(1) : new Score.Unscored("not asked", "for a test"));
      long asked = constant == GrpoConfig.Constant.REFILL ? 16 : 4;
      assertThat(result.groups()).as("%s", constant).isEqualTo(asked);
      assertThat(result.constantGroups()).isZero();
      assertThat(result.account().dropped())
          .isEqualTo(
              Map.of(
                  "long",
                  1L,
                  "no score: not asked",
                  3 * asked,
                  "no other answer with a score",
                  asked));
    }
  }

  /** Without a baseline an answer is compared with none, and a lone one teaches. */
  @Test
  void loneAnswers_withoutABaseline_teach() {
    choices.iterations = 2;
    choices.groups = new GrpoConfig.Groups(GrpoConfig.Constant.DROP, 0);
    choices.advantages = GrpoChoices.advantages(Baseline.NONE, Scale.NONE);
    int[] at = {0};
    GrpoRecipe.Result result =
        run(
            rollout ->
                at[0]++ % 4 == 0 ? judged(rollout) : new Score.Unscored("not asked", "for a test"));
    assertThat(result.account().trained()).isEqualTo(2 * 8);
  }

  /** Checkpoints every second round; six rounds teach, the five after them give every answer 1. */
  @Test
  void roundsWithoutASample_leaveTheStateSound_andItIsSaved() {
    MemoryCheckpoints straight = new MemoryCheckpoints(2);
    choices.iterations = 6;
    recipe(right()).run(context("six", new Recording(), straight));
    double[] sound = cast.disk.get("out/six");

    choices.iterations = 30;
    int[] scored = {0};
    int taught = 6 * 32 + data().heldOut().size();
    MemoryCheckpoints checkpoints = new MemoryCheckpoints(2);
    GrpoRecipe.Result result =
        recipe(scorer(rollout -> scored[0]++ < taught ? judged(rollout) : Score.of(1)))
            .run(context("grpo", observer, checkpoints));

    assertThat(result.iterations()).isEqualTo(11);
    assertThat(result.failure().orElseThrow())
        .contains("5 updates of the policy in a row were skipped, since step 7 ")
        .endsWith("The last sound state, after step 11, is saved in out/grpo");
    assertThat(cast.disk.get("out/grpo")).containsExactly(sound);
    assertThat(checkpoints.steps("grpo")).containsExactly(2L, 4L, 6L, 8L, 10L);
  }

  /**
   * The last rounds of all without a sample: the stage is done, and its result what was learned.
   */
  @Test
  void roundsWithoutASample_atTheEnd_areNoFailure_belowTheLimit() {
    choices.iterations = 8;
    int[] scored = {0};
    int taught = 5 * 32 + data().heldOut().size();
    GrpoRecipe.Result result = run(rollout -> scored[0]++ < taught ? judged(rollout) : Score.of(1));
    assertThat(result.failure()).isEmpty();
    assertThat(result.skippedUpdates()).isEqualTo(3);
  }

  @Test
  void constantGroups_refilled_byOtherPrompts_withinTheBound() {
    choices.answers = 2;
    choices.prompts = 4;
    choices.groups = new GrpoConfig.Groups(GrpoConfig.Constant.REFILL, 2);
    List<List<String>> asked = new ArrayList<>();
    GrpoRecipe.Result result =
        run(rollouts -> asked.add(rollouts.stream().map(it -> it.prompt().id()).toList()), right());

    assertThat(result.groups()).isGreaterThan(30 * 4L);
    int rounds = 0;
    long trained = 0;
    for (List<String> ids : asked) {
      assertThat(ids.stream().distinct().count()).isEqualTo(ids.size() / 2);
      rounds++;
      trained += ids.size();
    }
    assertThat(rounds).isBetween(31, 90);
    assertThat(trained).isEqualTo(2 * result.groups());
    assertThat(result.account().trained())
        .isEqualTo(2 * (result.groups() - result.constantGroups()));
    assertThat(observer.steps).allMatch(step -> step.get("groupsAsked") <= 4 * 3);
  }

  @Test
  void allGroupsConstant_again_andAgain_fails() {
    GrpoRecipe.Result result = run(rollout -> Score.of(1));

    assertThat(result.iterations()).isEqualTo(5);
    assertThat(result.skippedUpdates()).isEqualTo(5);
    assertThat(result.account().dropped()).containsEntry("constant group", 5L * 32);
    assertThat(result.failure().orElseThrow())
        .startsWith(
            "stage grpo failed after step 5 of 30: 5 updates of the policy in a row were skipped,"
                + " since step 1 (limits.skipped-updates = 5): step 1: no sample to learn from,"
                + " dropped so far: {constant group=32, long=1}")
        .contains(
            ". No update was tried, so that the learning rate is not at fault. Give prompts whose"
                + " answers differ more (easier ones where all fail, harder ones where none does),"
                + " raise answers-per-prompt, or have others asked (groups.constant = refill). ")
        .doesNotContain("Lower", "lower", "grpo.right");
    assertThat(observer.notices).hasSize(5);
  }

  /**
   * One pattern, and no word on what is right: a run that has learned all of it looks like this.
   */
  @Test
  void allGroupsConstant_whereNothingSaysWhatIsRight_pointsToTheKey() {
    choices.rewards = Map.of("any", new RewardConfig.Pattern(1, "\\d", PatternRule.Use.CONTAINS));
    GrpoRecipe.Result result = configured().run(context("grpo", observer, Checkpoints.NONE));
    assertThat(result.failure().orElseThrow())
        .contains("constant group=", "the learning rate is not at fault")
        .contains(
            "If the answers are as good as they can be: name in grpo.right the reward whose 1 says"
                + " that an answer is right, and rounds in which all are right are no fault");
    assertThat(observer.notices.get(0)).contains("grpo.right");
  }

  /**
   * The update of step 2 ruins the weights, which shows at step 5 alone: 3 and 4 have no sample.
   * None of the checkpoints since is sound, and the one that is was not removed for them.
   */
  @Test
  void roundsWithoutASample_proveNothing_andKeepWhatIsProven() {
    MemoryCheckpoints straight = new MemoryCheckpoints(1);
    choices.iterations = 3;
    recipe(right()).run(context("sound", new Recording(), straight));

    choices.iterations = 30;
    cast.faults.failUpdates("policy", 10, 3);
    int[] scored = {0};
    int heldOut = data().heldOut().size();
    Scorer scorer =
        scorer(
            rollout -> {
              int round = 1 + Math.floorDiv(scored[0]++ - heldOut, 32);
              return round == 3 || round == 4 ? Score.of(1) : judged(rollout);
            });
    MemoryCheckpoints checkpoints = new MemoryCheckpoints(1, 2);
    GrpoRecipe.Result result = recipe(scorer).run(context("grpo", observer, checkpoints));

    assertThat(result.iterations()).isEqualTo(7);
    assertThat(result.failure().orElseThrow())
        .contains("5 updates of the policy in a row were skipped, since step 3 ")
        .contains("Lower the learning rate")
        .endsWith("The last sound state, after step 1, is saved in out/grpo");
    double[] sound = cast.disk.get("sound/1/policy");
    assertThat(cast.disk.get("out/grpo"))
        .containsExactly(java.util.Arrays.copyOf(sound, sound.length - 1));
    assertThat(checkpoints.steps("grpo")).containsExactly(1L);
  }

  /** The best state is one of the same unproven weights: it is not the result. */
  @Test
  void roundsWithoutASample_proveNothing_ofTheBestEither() {
    choices.iterations = 5;
    choices.evaluateEvery = 1;
    choices.best = new BestConfig(Optional.of(HeldOutMeasure.SCORE), 0, 0);
    cast.faults.failUpdates("policy", 10, 3);
    int[] scored = {0};
    int heldOut = data().heldOut().size();
    // The held-out prompts are scored before, and after each round; best of all after the third.
    Scorer scorer =
        scorer(
            rollout -> {
              int at = scored[0]++ - heldOut;
              int round = 1 + Math.floorDiv(at, 32 + heldOut);
              boolean training = at >= 0 && Math.floorMod(at, 32 + heldOut) < 32;
              return training && round != 3 && round != 4 ? judged(rollout) : Score.of(round);
            });
    GrpoRecipe.Result result =
        recipe(scorer).run(context("grpo", observer, new MemoryCheckpoints(1, 2)));

    assertThat(result.best().orElseThrow().step()).isEqualTo(4);
    assertThat(result.failure().orElseThrow())
        .contains("nothing shows its weights to be sound")
        .endsWith("The last sound state, after step 1, is saved in out/grpo");
  }

  /** Twenty rounds in a row, where five that teach nothing fail a stage. */
  @Test
  void allAnswersRight_isNoFault_onceSomethingWasLearned() {
    int[] scored = {0};
    int taught = 10 * 32 + data().heldOut().size();
    GrpoRecipe.Result result =
        run(rollout -> scored[0]++ < taught ? judged(rollout) : Score.of(1, Map.of("right", 1.0)));

    assertThat(result.failure()).isEmpty();
    assertThat(result.iterations()).isEqualTo(30);
    assertThat(result.skippedUpdates()).isZero();
    assertThat(result.account().dropped().get("constant group")).isGreaterThanOrEqualTo(20 * 32);
  }

  @Test
  void allAnswersRight_fromTheStart_learnsNothing() {
    GrpoRecipe.Result result = run(rollout -> Score.of(1, Map.of("right", 1.0)));

    assertThat(result.iterations()).isEqualTo(30);
    assertThat(result.failure().orElseThrow()).contains("stage grpo failed");
  }

  @Test
  void noScoreAtAll_fails() {
    GrpoRecipe.Result result = run(rollout -> Score.unscored("the service is away"));

    assertThat(result.failure().orElseThrow()).contains("no score: the service is away=32");
    assertThat(result.before().metrics()).containsEntry("unscoredFraction", 1.0);
  }

  @Test
  void aSkippedUpdate_isCounted_andItsSamplesDropped() {
    cast.faults.failUpdates("policy", 1);
    GrpoRecipe.Result result = run(right());

    assertThat(result.skippedUpdates()).isEqualTo(1);
    assertThat(result.account().dropped()).containsEntry("update skipped", 32L);
  }

  @Test
  void rolloutsInOtherNumbers_learnFromTrainingsOwn_andReportTheGap() {
    choices.iterations = 60;
    Numerics coarse = new Numerics(Storage.FP32, Storage.INT8);
    GrpoRecipe.Result result =
        recipe(right()).run(context(coarse, "grpo", observer, Checkpoints.NONE));

    assertThat(observer.steps.get(0).get("logprobGapMean")).isBetween(0.05, 1.0);
    assertThat(observer.steps.get(0).get("ratio")).isCloseTo(1, within(1e-9));
    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.3);
  }

  @Test
  void answersOfEarlierRounds_areLearnedFromAgain_andEnteredOnce() {
    choices.iterations = 15;
    choices.reuse = 2;
    GrpoRecipe.Result result = run(right());

    assertThat(result.failure()).isEmpty();
    assertThat(result.account()).isEqualTo(new Account(15 * 32 + 1, 15 * 32, Map.of("long", 1L)));
    assertThat(observer.experiences).hasSize(15 * 32);
    assertThat(observer.steps.stream().limit(4).map(step -> step.get("reusedFraction")))
        .containsExactly(0.0, 0.5, 2 / 3.0, 2 / 3.0);
    // The round's own are of the policy itself; the others of the one that it was.
    assertThat(observer.steps.get(0).get("logprobGapMean")).isZero();
    assertThat(observer.steps.get(1).get("logprobGapMean")).isPositive();
    // One update per round, and the clip is around the policy at its beginning.
    assertThat(observer.steps)
        .allSatisfy(step -> assertThat(step.get("ratio")).isCloseTo(1, within(1e-6)))
        .allSatisfy(step -> assertThat(step.get("clipFraction")).isZero());
    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.3);
  }

  @Test
  void best_stateIsKept_andStopsEarly() {
    choices.iterations = 200;
    choices.evaluateEvery = 2;
    choices.best = new BestConfig(Optional.of(HeldOutMeasure.SCORE), 0.05, 5);
    GrpoRecipe.Result result =
        recipe(right()).run(context("grpo", observer, new MemoryCheckpoints()));

    assertThat(result.stoppedEarly()).isTrue();
    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isEqualTo(result.best().orElseThrow().value());
    assertThat(observer.steps.get(1)).containsKeys("heldOutScore", "heldOutWinRate");
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2})
  void resumed_atEveryStep_givesTheSameNumbersAsUninterrupted(int reuse) {
    choices.iterations = 7;
    choices.answers = 2;
    choices.minibatches = 2;
    choices.epochs = 2;
    choices.groups = new GrpoConfig.Groups(GrpoConfig.Constant.REFILL, 2);
    choices.kl = GrpoChoices.kl(0.01, ReferenceConfig.Placement.LOSS);
    choices.reuse = reuse;
    GrpoRecipe.Result whole = run(right());
    double[] expected = cast.disk.get("out/grpo");

    for (int stop = 1; stop < 7; stop++) {
      MemoryCheckpoints checkpoints = new MemoryCheckpoints();
      Recording first = new Recording(stop);
      GrpoRecipe.Result part = recipe(right()).run(context("grpo", first, checkpoints));
      assertThat(part.cancelled()).isTrue();
      assertThat(part.iterations()).isEqualTo(stop);
      Recording second = new Recording();
      assertThat(recipe(right()).run(context("grpo", second, checkpoints))).isEqualTo(whole);
      assertThat(cast.disk.get("out/grpo")).isEqualTo(expected);
      assertThat(second.steps.get(0).get("loss")).isEqualTo(observer.steps.get(stop).get("loss"));
    }
  }

  // --- surroundings ---

  private static Score judged(Rollout rollout) {
    double right = rollout.text().contains("3") && !rollout.text().contains("4") ? 1 : 0;
    return Score.of(right, Map.of("right", right));
  }

  private static Scorer right() {
    return scorer(GrpoRecipeTest::judged);
  }

  private static Scorer scorer(Function<Rollout, Score> judge) {
    return new Scorer() {
      @Override
      public String name() {
        return "test";
      }

      @Override
      public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
        return CompletableFuture.completedFuture(rollouts.stream().map(judge).toList());
      }
    };
  }

  private GrpoRecipe.Result run(Function<Rollout, Score> judge) {
    return run(scorer(judge));
  }

  private GrpoRecipe.Result run(Scorer scorer) {
    return recipe(scorer).run(context("grpo", observer, Checkpoints.NONE));
  }

  /** Leaves out the two evaluations, at the beginning and at the end. */
  private GrpoRecipe.Result run(Consumer<List<Rollout>> watch, Scorer judge) {
    List<List<Rollout>> all = new ArrayList<>();
    GrpoRecipe.Result result =
        run(
            new Scorer() {
              @Override
              public String name() {
                return "watched";
              }

              @Override
              public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
                all.add(rollouts);
                return judge.score(rollouts);
              }
            });
    all.subList(1, all.size() - 1).forEach(watch);
    return result;
  }

  private GrpoRecipe recipe(Scorer scorer) {
    return new GrpoRecipe(
        choices.config(),
        new ModelStart("tabular", Optional.empty()),
        data(),
        scorer,
        Optional.of("right"));
  }

  /** With the rewards that the configuration names. */
  private GrpoRecipe configured() {
    GrpoConfig config = choices.config();
    return new GrpoRecipe(
        config,
        new ModelStart("tabular", Optional.empty()),
        new ModelStart("tabular", Optional.of("out/reward")),
        data(),
        new Rewards("grpo.rewards", config.rewards(), (name, reward) -> right()),
        new Rewards("grpo.guard.rewards", config.guard().rewards(), (name, reward) -> right()),
        Optional.empty());
  }

  private static TrainingData<Prompt> data() {
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      prompts.add(new Prompt("p" + i, "prompt " + i, TokenIds.of(1 + i % 2)));
    }
    return new TrainingData<>(prompts.subList(0, 16), prompts.subList(16, 40), Map.of("long", 1L));
  }

  private StageContext context(String stage, Recording recording, Checkpoints checkpoints) {
    return context(Numerics.EXACT, stage, recording, checkpoints);
  }

  private StageContext context(
      Numerics numerics, String stage, Recording recording, Checkpoints checkpoints) {
    return new StageContext(stage, cast, numerics, recording, checkpoints, "out/" + stage, 11, 5);
  }
}
