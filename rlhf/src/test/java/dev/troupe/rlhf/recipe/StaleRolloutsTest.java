package dev.troupe.rlhf.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Checkpoints;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rounds that are sampled while others are scored and learned from. Token 3 is good, 4 is bad. */
class StaleRolloutsTest {
  /** Of PPO: two epochs of two minibatches. */
  private static final int UPDATES = 4;

  private static final int PROMPTS = 80;

  private final TabularCast cast = new TabularCast();
  private final Recording observer = new Recording();

  @BeforeEach
  void rewardModel() {
    TabularRecipes.rewardModel()
        .run(context(cast, "reward", RolloutsConfig.ON_POLICY, new Recording(), Checkpoints.NONE));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 3})
  void ppo_roundsAnswers_areOfTheWeightsThatManyRoundsBefore(int staleness) {
    PpoRecipe.Result result =
        ppo(7).run(context(cast, "ppo", stale(staleness), observer, Checkpoints.NONE));

    assertThat(result.account()).isEqualTo(new Account(7 * PROMPTS, 7 * PROMPTS, Map.of()));
    assertThat(observer.experiences).hasSize(7 * PROMPTS);
    for (int i = 0; i < observer.experiences.size(); i++) {
      int round = 1 + i / PROMPTS;
      assertThat(observer.experiences.get(i).rollout().adapterVersion())
          .as("round %d", round)
          .isEqualTo((long) UPDATES * Math.max(0, round - 1 - staleness));
    }
    if (staleness == 0) {
      assertThat(observer.steps).noneMatch(step -> step.containsKey("staleness"));
      return;
    }
    assertThat(observer.steps)
        .extracting(step -> step.get("staleness"))
        .containsExactlyElementsOf(
            IntStream.range(0, 7).mapToObj(round -> (double) Math.min(staleness, round)).toList());
  }

  /** By the first round all is the reference's: what is weighted, and by what, shows later. */
  @Test
  void ppo_stale_isDecoupled_theClipIsAroundThePolicyThatBeginsTheRound() {
    ppo(4).run(context(cast, "ppo", stale(1), observer, Checkpoints.NONE));

    assertThat(observer.steps.get(0).get("logprobGapMax")).isZero();
    assertThat(observer.steps.get(2).get("logprobGapMean")).isPositive();
    assertThat(observer.steps.get(2)).containsKey("importanceCappedFraction");
  }

  /**
   * Of what the policy has unlearned since, its own estimate would be a large reward: the samples
   * are not its own.
   */
  @Test
  void ppo_stale_penaltyIsOfWhatSampled() {
    ppo(6).run(context(cast, "ppo", stale(3), observer, Checkpoints.NONE));

    for (int i = 0; i < observer.experiences.size(); i++) {
      Experience experience = observer.experiences.get(i);
      double beta = observer.steps.get(i / PROMPTS).get("klCoefficient");
      Floats rewards = experience.rewards().orElseThrow();
      for (int t = 0; t < rewards.size() - 1; t++) {
        double kl =
            (double) experience.rollout().logprobs().get(t)
                - experience.refLogprobs().orElseThrow().get(t);
        assertThat((double) rewards.get(t)).isCloseTo(-beta * kl, within(1e-6));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void ppo_learnsAsMuch_whoeverAnswersWhen_andWithOverlapOrWithout(int staleness) {
    PpoRecipe.Result straight =
        ppo(6).run(context(cast, "ppo", stale(staleness), observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/ppo");

    for (long seed = 1; seed <= 20; seed++) {
      for (boolean overlap : new boolean[] {true, false}) {
        Recording recording = new Recording();
        try (LateCast late = new LateCast(cast, seed)) {
          PpoRecipe.Result result =
              ppo(6)
                  .run(
                      context(
                          late,
                          "ppo",
                          new RolloutsConfig(overlap, staleness),
                          recording,
                          Checkpoints.NONE));
          assertThat(result).as("seed %d, overlap %s", seed, overlap).isEqualTo(straight);
        }
        assertThat(cast.disk.get("out/ppo")).isEqualTo(expected);
        assertThat(recording.experiences).isEqualTo(observer.experiences);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "1, 4", "2, 1", "2, 3", "3, 2", "3, 6"})
  void ppo_resumed_givesTheSameNumbersAsUninterrupted(int staleness, int stop) {
    PpoRecipe.Result whole =
        ppo(7).run(context(cast, "ppo", stale(staleness), observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/ppo");

    MemoryCheckpoints checkpoints = new MemoryCheckpoints();
    try (LateCast late = new LateCast(cast, 5)) {
      Recording first = new Recording(stop);
      PpoRecipe.Result part =
          ppo(7).run(context(late, "ppo", stale(staleness), first, checkpoints));
      assertThat(part.cancelled()).isTrue();
      Recording second = new Recording();
      PpoRecipe.Result resumed =
          ppo(7).run(context(late, "ppo", stale(staleness), second, checkpoints));

      assertThat(resumed).isEqualTo(whole);
      assertThat(cast.disk.get("out/ppo")).isEqualTo(expected);
      List<Experience> joined = new ArrayList<>(first.experiences);
      joined.addAll(second.experiences);
      assertThat(joined).isEqualTo(observer.experiences);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void ppo_stale_raisesTheScoreAllTheSame(int staleness) {
    PpoRecipe.Result result =
        ppo(40).run(context(cast, "ppo", stale(staleness), observer, Checkpoints.NONE));

    assertThat(result.after().orElseThrow().metrics().get("score"))
        .isGreaterThan(result.before().metrics().get("score") + 0.5);
    assertThat(result.winRate().orElseThrow().share()).isGreaterThan(0.7);
  }

  @ParameterizedTest
  @CsvSource({"0, true", "0, false", "1, true", "1, false", "2, true", "2, false"})
  void grpo_learnsAsMuch_whoeverAnswersWhen(int staleness, boolean apart) {
    GrpoRecipe.Result straight =
        grpo(apart).run(context(cast, "grpo", stale(staleness), observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/grpo");
    assertThat(straight.account().issued()).isEqualTo(6 * 16 * 4 + 1);
    // A round's answers are learned from all the same when others stand in its place.
    assertThat(observer.experiences.get(observer.experiences.size() - 1).rollout().adapterVersion())
        .isEqualTo(Math.max(0, 5 - staleness));

    for (long seed = 1; seed <= 10; seed++) {
      for (boolean overlap : new boolean[] {true, false}) {
        try (LateCast late = new LateCast(cast, seed)) {
          assertThat(
                  grpo(apart)
                      .run(
                          context(
                              late,
                              "grpo",
                              new RolloutsConfig(overlap, staleness),
                              new Recording(),
                              Checkpoints.NONE)))
              .as("seed %d, overlap %s", seed, overlap)
              .isEqualTo(straight);
        }
        assertThat(cast.disk.get("out/grpo")).isEqualTo(expected);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "2, 0", "2, 1"})
  void grpo_resumed_atEveryStep_givesTheSameNumbersAsUninterrupted(int staleness, int reuse) {
    GrpoRecipe recipe = grpo(true, reuse);
    GrpoRecipe.Result whole =
        recipe.run(context(cast, "grpo", stale(staleness), observer, Checkpoints.NONE));
    double[] expected = cast.disk.get("out/grpo");

    for (int stop = 1; stop < 6; stop++) {
      MemoryCheckpoints checkpoints = new MemoryCheckpoints();
      assertThat(
              grpo(true, reuse)
                  .run(context(cast, "grpo", stale(staleness), new Recording(stop), checkpoints))
                  .cancelled())
          .isTrue();
      assertThat(
              grpo(true, reuse)
                  .run(context(cast, "grpo", stale(staleness), new Recording(), checkpoints)))
          .isEqualTo(whole);
      assertThat(cast.disk.get("out/grpo")).isEqualTo(expected);
    }
  }

  /** What waits is told: here all of the next round, as answers take no time. */
  @Test
  void answersOfTheNextRounds_areCounted() {
    ppo(3).run(context(cast, "ppo", stale(2), observer, Checkpoints.NONE));
    assertThat(observer.steps)
        .extracting(step -> step.get("answersWaiting"))
        .containsExactly(2.0 * PROMPTS, 1.0 * PROMPTS, 0.0);
    assertThat(observer.steps.get(0).get("kl")).isCloseTo(0, within(1e-9));
  }

  // --- surroundings ---

  private static RolloutsConfig stale(int rounds) {
    return new RolloutsConfig(true, rounds);
  }

  private static PpoRecipe ppo(int iterations) {
    PpoConfig config = TabularRecipes.ppoConfig(iterations);
    List<Prompt> prompts = prompts(PROMPTS + 64);
    return TabularRecipes.ppo(
        new PpoConfig(
            iterations,
            PROMPTS,
            config.ppoEpochs(),
            config.minibatches(),
            config.averaging(),
            config.generation(),
            config.kl(),
            config.rewards(),
            config.right(),
            config.tokenRewards(),
            config.advantages(),
            config.policy(),
            config.critic(),
            config.evaluateEvery(),
            config.best(),
            config.guard(),
            config.evaluation()),
        new TrainingData<>(
            prompts.subList(0, PROMPTS), prompts.subList(PROMPTS, PROMPTS + 64), Map.of()),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  private static GrpoRecipe grpo(boolean apart) {
    return grpo(apart, 0);
  }

  private static GrpoRecipe grpo(boolean apart, int reuse) {
    GrpoChoices choices = new GrpoChoices();
    choices.iterations = 6;
    choices.prompts = 16;
    choices.answers = 4;
    choices.reuse = reuse;
    choices.groups = new GrpoConfig.Groups(GrpoConfig.Constant.DROP, 0);
    choices.kl = GrpoChoices.kl(0.01, ReferenceConfig.Placement.LOSS);
    List<Prompt> prompts = prompts(64);
    return new GrpoRecipe(
        choices.config(),
        new ModelStart("tabular", Optional.empty()),
        new TrainingData<>(prompts.subList(0, 40), prompts.subList(40, 64), Map.of("long", 1L)),
        new Scorer() {
          @Override
          public String name() {
            return "test";
          }

          @Override
          public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
            return CompletableFuture.completedFuture(
                rollouts.stream()
                    .map(it -> Score.of(it.text().contains("3") && !it.text().contains("4")))
                    .toList());
          }

          @Override
          public boolean scoresEachAlone() {
            return apart;
          }
        },
        Optional.empty());
  }

  private static List<Prompt> prompts(int count) {
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      prompts.add(
          new Prompt(
              "p" + i,
              "prompt " + i,
              TokenIds.of(1 + i % 2),
              Optional.of("3"),
              Map.of("number", i)));
    }
    return prompts;
  }

  private static StageContext context(
      Cast cast,
      String stage,
      RolloutsConfig rollouts,
      Recording recording,
      Checkpoints checkpoints) {
    return new StageContext(
        stage, cast, Numerics.EXACT, rollouts, recording, checkpoints, "out/" + stage, 11, 5);
  }
}
