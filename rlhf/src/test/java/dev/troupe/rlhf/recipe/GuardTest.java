package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.reward.GuardConfig;
import dev.troupe.rlhf.reward.GuardConfig.Act;
import dev.troupe.rlhf.reward.GuardConfig.Bounds;
import dev.troupe.rlhf.reward.PatternRule;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The guard at work: a reward that can be gamed, on a role whose arithmetic is exact. Bounds are
 * narrow, for an answer has at most six tokens.
 */
class GuardTest {
  private static final RewardConfig THREE =
      new RewardConfig.Pattern(1, "3", PatternRule.Use.CONTAINS);
  private static final Bounds NEVER = new Bounds(1e9, 1e9);

  private final TabularCast cast = new TabularCast();
  private final GrpoChoices choices = new GrpoChoices();

  @BeforeEach
  void measureEverySecondRound() {
    choices.iterations = 20;
    choices.evaluateEvery = 2;
    // Six tokens are right, whatever they say.
    RewardConfig six = new RewardConfig.Pattern(1, "(\\d\\D*){6}", PatternRule.Use.CONTAINS);
    choices.rewards = Map.of("long", six);
    choices.learningRate = 4;
  }

  private static GuardConfig guard(
      Act act, Map<String, RewardConfig> rewards, Bounds longer, Bounds kl) {
    return new GuardConfig(act, rewards, longer, NEVER, NEVER, kl, 1, 3, 1e9);
  }

  private GrpoRecipe.Result grpo(Recording observer, Checkpoints checkpoints) {
    GrpoConfig config = choices.config();
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      prompts.add(new Prompt("p" + i, "prompt " + i, TokenIds.of(1 + i % 2)));
    }
    return new GrpoRecipe(
            config,
            new ModelStart("tabular", Optional.empty()),
            new ModelStart("tabular", Optional.empty()),
            new TrainingData<>(prompts.subList(0, 16), prompts.subList(16, 40), Map.of()),
            rewards("grpo.rewards", config.rewards()),
            rewards("grpo.guard.rewards", config.guard().rewards()),
            Optional.empty())
        .run(context("grpo", observer, checkpoints));
  }

  private static Rewards rewards(String section, Map<String, RewardConfig> rewards) {
    return new Rewards(
        section,
        rewards,
        (name, reward) -> {
          throw new IllegalStateException(name);
        });
  }

  private StageContext context(String stage, Recording observer, Checkpoints checkpoints) {
    return new StageContext(
        stage, cast, Numerics.EXACT, observer, checkpoints, "out/" + stage, 11, 5);
  }

  @Test
  void off_measuresNothingMore() {
    Recording observer = new Recording();
    GrpoRecipe.Result result = grpo(observer, Checkpoints.NONE);
    assertThat(observer.steps.get(1))
        .containsKey("heldOutScore")
        .doesNotContainKeys("heldOutRepeatedFraction", "heldOutScoreDeviation");
    assertThat(observer.notices).isEmpty();
    assertThat(result.before().metrics()).doesNotContainKeys("repeatedFraction");
    assertThat(result.stopped()).isEmpty();
  }

  @Test
  void answersThatGrow_areTold_onceForEachBound_andTrainingGoesOn() {
    choices.guard = guard(Act.WARN, Map.of(), new Bounds(1.02, 1.1), NEVER);
    Recording observer = new Recording();
    GrpoRecipe.Result result = grpo(observer, Checkpoints.NONE);

    assertThat(result.iterations()).isEqualTo(20);
    assertThat(result.stopped()).isEmpty();
    assertThat(observer.notices)
        .hasSizeBetween(1, 2)
        .allMatch(
            text ->
                text.matches(
                    "step \\d+: a sign of a gamed reward: answers are longer than at the start, in"
                        + " the mean by the factor 1\\.\\d+, allowed up to 1\\.(02|10)"));
    assertThat(observer.notices.get(observer.notices.size() - 1)).endsWith("1.10");
    assertThat(observer.steps.get(1))
        .containsKeys(
            "heldOutRepeatedFraction", "heldOutScoreDeviation", "heldOutLengthCorrelation")
        .doesNotContainKey("heldOutGuardScore");
    assertThat(observer.steps.get(0)).doesNotContainKey("heldOutRepeatedFraction");
  }

  /** Not one measurement is in between: the one at the end is looked at too. */
  @Test
  void theResult_isLookedAt_whereNothingWasMeasuredBefore() {
    choices.evaluateEvery = 20;
    choices.guard = guard(Act.WARN, Map.of(), new Bounds(1.02, 1.1), NEVER);
    Recording observer = new Recording();
    GrpoRecipe.Result result = grpo(observer, Checkpoints.NONE);
    assertThat(result.stopped()).isEmpty();
    assertThat(observer.notices)
        .hasSize(1)
        .allMatch(
            text ->
                text.startsWith("step 20: a sign of a gamed reward: answers are longer than at"));
  }

  @Test
  void aGuardThatCouldOnlyStopAtTheEnd_isRefused() {
    choices.evaluateEvery = 20;
    choices.guard = guard(Act.STOP, Map.of(), new Bounds(1.02, 1.1), NEVER);
    assertThatThrownBy(choices::config)
        .hasMessage(
            "evaluate-every is 20, allowed: below iterations (20) with guard.act = stop: it looks"
                + " at no state but the last");
  }

  /** Its own rewards fail: every measurement says so, and once what is not seen without them. */
  @Test
  void guardRewardsThatFail_areTold() {
    choices.iterations = 5;
    choices.guard =
        guard(
            Act.WARN,
            Map.of("away", new RewardConfig.Pattern(1, "3", PatternRule.Use.CONTAINS)),
            NEVER,
            NEVER);
    Recording observer = new Recording();
    Guard guard =
        new Guard(
            choices.guard,
            Optional.of(
                new Scorer() {
                  @Override
                  public String name() {
                    return "away";
                  }

                  @Override
                  public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
                    return CompletableFuture.completedFuture(
                        rollouts.stream()
                            .<Score>map(it -> Score.unscored("the service is away"))
                            .toList());
                  }
                }),
            text -> observer.notice("grpo", text));
    Map<String, Double> metrics =
        new java.util.TreeMap<>(Map.of("responseLength", 2.0, "endedFraction", 1.0));
    Rollout rollout =
        new Rollout(
            new Prompt("p", "p", TokenIds.of(1)),
            TokenIds.of(1, 2),
            "",
            new Floats(new float[2]),
            FinishReason.LENGTH,
            0);
    metrics.putAll(guard.measures(List.of(rollout, rollout), List.of(1.0, 0.0)));
    assertThat(metrics).containsEntry("guardUnscoredFraction", 1.0).doesNotContainKey("guardScore");
    Evaluation evaluation = new Evaluation(List.of(), List.of(), metrics);
    Guard.Look look = guard.look(List.of(), 2, evaluation, evaluation);
    guard.look(look.history(), 4, evaluation, evaluation);
    assertThat(observer.notices)
        .containsExactly(
            "the guard's rewards, on the held-out prompts: 2 of 2 answers not scored, left out: the"
                + " service is away",
            "the guard's rewards scored no answer at the start: without that it cannot see the"
                + " score rise alone (guard.falls), and no measurement stops the stage for it");
  }

  @Test
  void answersThatGrow_endTheStage_andItsStateIsSaved() {
    choices.guard = guard(Act.STOP, Map.of(), new Bounds(1.02, 1.1), NEVER);
    Recording observer = new Recording();
    GrpoRecipe.Result result = grpo(observer, Checkpoints.NONE);

    assertThat(result.iterations()).isLessThan(20).isEven();
    assertThat(result.stoppedEarly()).isTrue();
    assertThat(result.failure()).isEmpty();
    assertThat(result.after()).isPresent();
    assertThat(result.stopped().orElseThrow()).startsWith("answers are longer than at the start");
    assertThat(observer.notices.get(observer.notices.size() - 1))
        .isEqualTo(
            "stopped by grpo.guard after step "
                + result.iterations()
                + " of 20: "
                + result.stopped().get()
                + ". The state after this step is the result; with best.metric it is the best one"
                + " that was measured");
    assertThat(cast.disk).containsKey("out/grpo");
  }

  @Test
  void aScoreThatRisesAlone_endsTheStage_atTheThirdMeasurement_andTheBestStateIsTheResult() {
    choices.rewards = Map.of("three", THREE);
    choices.learningRate = 6;
    choices.best = new BestConfig(Optional.of(HeldOutMeasure.SCORE), 0, 0);
    // What is trained on, turned round: it falls as the score rises.
    choices.guard =
        guard(
            Act.STOP,
            Map.of("less", new RewardConfig.Pattern(-1, "3", PatternRule.Use.CONTAINS)),
            NEVER,
            NEVER);
    Recording observer = new Recording();
    GrpoRecipe.Result result = grpo(observer, new MemoryCheckpoints());

    Map<String, Double> last = observer.steps.get(observer.steps.size() - 1);
    assertThat(last.get("heldOutGuardScore")).isEqualTo(-last.get("heldOutScore"));
    assertThat(last).containsEntry("heldOutGuardUnscoredFraction", 0.0);
    assertThat(result.before().metrics())
        .containsKeys("guardScore", "guardRewards.less", "scoreDeviation");
    assertThat(result.stopped().orElseThrow())
        .matches(
            "the score rose from .* and that of a scorer not trained on .* in 3 evaluations.*");
    assertThat(observer.notices).hasSize(3);
    assertThat(observer.notices.get(0)).contains("in 2 evaluations in a row");
    assertThat(observer.notices.get(2)).endsWith("The best state that was measured is the result");
    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isEqualTo(result.best().orElseThrow().value());
    assertThat(observer.infos).noneMatch(text -> text.contains("were not better"));
  }

  @Test
  void resumedAtAnyStep_itStopsAtTheSame() {
    choices.rewards = Map.of("three", THREE);
    choices.learningRate = 6;
    choices.guard =
        guard(
            Act.STOP,
            Map.of("less", new RewardConfig.Pattern(-1, "3", PatternRule.Use.CONTAINS)),
            NEVER,
            NEVER);
    Recording whole = new Recording();
    GrpoRecipe.Result straight = grpo(whole, new MemoryCheckpoints());
    assertThat(straight.stopped()).isPresent();
    for (int stop = 1; stop <= straight.iterations(); stop++) {
      MemoryCheckpoints checkpoints = new MemoryCheckpoints();
      Recording first = new Recording(stop);
      grpo(first, checkpoints);
      Recording second = new Recording();
      assertThat(grpo(second, checkpoints)).as("cancelled after step " + stop).isEqualTo(straight);
      List<String> notices = new ArrayList<>(first.notices);
      notices.addAll(second.notices);
      assertThat(notices).isEqualTo(whole.notices);
    }
  }

  @Test
  void ppo_farFromTheReference_endsTheStage() {
    TabularRecipes.rewardModel().run(context("reward", new Recording(), Checkpoints.NONE));
    GuardConfig guard = guard(Act.STOP, Map.of("three", THREE), NEVER, new Bounds(0.01, 0.3));
    Recording observer = new Recording();
    PpoRecipe.Result result =
        TabularRecipes.ppo(
                TabularRecipes.ppoConfig(20, 1, BestConfig.NONE, guard),
                Optional.empty(),
                Optional.of(rewards("ppo.guard.rewards", guard.rewards())))
            .run(context("ppo", observer, Checkpoints.NONE));

    assertThat(result.stopped().orElseThrow())
        .matches("KL to the start in nats \\S+, allowed up to 0.300");
    assertThat(result.iterations()).isLessThan(20);
    assertThat(result.stoppedEarly()).isTrue();
    assertThat(observer.steps.get(0)).containsKeys("heldOutGuardScore", "heldOutRepeatedFraction");
    assertThat(result.after().orElseThrow().metrics()).containsKey("guardRewards.three");
  }

  @Test
  void whatItCannotLookAt_isRefused() {
    choices.evaluateEvery = 0;
    choices.guard = guard(Act.WARN, Map.of(), NEVER, NEVER);
    assertThatThrownBy(choices::config)
        .hasMessage(
            "evaluate-every is 0, allowed: at least 1 with guard.act = warn, which looks at what is"
                + " measured then");
    choices.evaluateEvery = 1;
    RewardConfig model = new RewardConfig.Model(1, RewardConfig.Model.Placement.MODERN);
    choices.guard = guard(Act.STOP, Map.of("model", model), NEVER, NEVER);
    assertThat(choices.config().scoresByModel()).isTrue();
    choices.rewards = Map.of("model", model);
    String refused =
        "guard.rewards is with one of type model, allowed: others: the reward model is what is"
            + " trained on";
    assertThatThrownBy(choices::config).hasMessage(refused);
    assertThatThrownBy(() -> TabularRecipes.ppoConfig(2, 1, BestConfig.NONE, choices.guard))
        .hasMessage(refused);
  }
}
