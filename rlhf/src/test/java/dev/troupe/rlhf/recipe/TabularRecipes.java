package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.data.Trained;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.reward.GuardConfig;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Rewards;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/** Recipes with data and settings for {@link TabularRole}s: token 3 is good, 4 is bad. */
final class TabularRecipes {
  private static final int GOOD = 3;
  private static final int BAD = 4;
  private static final ModelStart BASE = new ModelStart("tabular", Optional.empty());

  private TabularRecipes() {}

  static SftRecipe sft(int examples) {
    return sft(examples, 8, optimizer(1), 100, BestConfig.NONE);
  }

  static SftRecipe sft(SftObjective.Weighting weighting) {
    return sft(32, 8, optimizer(1), 100, BestConfig.NONE, weighting);
  }

  static SftRecipe sft(
      int examples, int heldOut, OptimizerConfig optimizer, int evaluateEvery, BestConfig best) {
    return sft(examples, heldOut, optimizer, evaluateEvery, best, SftObjective.Weighting.NONE);
  }

  private static SftRecipe sft(
      int examples,
      int heldOut,
      OptimizerConfig optimizer,
      int evaluateEvery,
      BestConfig best,
      SftObjective.Weighting weighting) {
    SplittableRandom random = new SplittableRandom(5);
    List<SftExample> all = new ArrayList<>();
    for (int i = 0; i < examples + heldOut; i++) {
      int middle = 3 + random.nextInt(3);
      all.add(new SftExample(Sequence.ofTargets(TokenIds.of(1, middle, 0), 1)));
    }
    return new SftRecipe(
        new SftConfig(
            3,
            8,
            Trained.COMPLETION,
            Averaging.GLOBAL_TOKEN,
            weighting,
            false,
            new TuningConfig.Full(),
            optimizer,
            heldOut,
            evaluateEvery,
            best),
        BASE,
        TrainingData.split("items", all, heldOut, 1, Map.of("long", 2L)));
  }

  static List<TokenIds[]> pairs(int count) {
    SplittableRandom random = new SplittableRandom(6);
    List<TokenIds[]> pairs = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int prompt = 1 + random.nextInt(2);
      pairs.add(new TokenIds[] {TokenIds.of(prompt, 5, GOOD, 0), TokenIds.of(prompt, BAD, 5, 0)});
    }
    return pairs;
  }

  static RewardModelRecipe<RankedPair> rewardModel() {
    return rewardModel(0, BestConfig.NONE);
  }

  static RewardModelRecipe<RankedPair> rewardModel(int evaluateEvery, BestConfig best) {
    List<RankedPair> all =
        pairs(40).stream().map(pair -> RankedPair.lastToken(pair[0], pair[1], 0)).toList();
    return RewardModelRecipe.ofPairs(
        new RewardModelConfig(
            2,
            8,
            RewardModelConfig.Loss.LAST_TOKEN,
            "",
            0.01,
            new TuningConfig.Full(),
            optimizer(0.3),
            8,
            evaluateEvery,
            best),
        BASE,
        TrainingData.split("items", all, 8, 1, Map.of()));
  }

  static PpoRecipe ppo(PpoConfig config, Optional<Oracle> oracle) {
    return ppo(config, oracle, Optional.empty());
  }

  static PpoRecipe ppo(PpoConfig config, Optional<Oracle> oracle, Optional<Rewards> guarding) {
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      prompts.add(new Prompt("p" + i, "prompt " + i, TokenIds.of(1 + i % 2)));
    }
    TrainingData<Prompt> data =
        new TrainingData<>(prompts.subList(0, 16), prompts.subList(16, 64), Map.of());
    return ppo(config, data, oracle, Optional.empty(), guarding);
  }

  /** The same with rewards in the place of the reward model. */
  static PpoRecipe ppo(
      PpoConfig config,
      TrainingData<Prompt> data,
      Optional<Oracle> oracle,
      Optional<Rewards> rewards,
      Optional<Rewards> guarding) {
    ModelStart reward = new ModelStart("tabular", Optional.of("out/reward"));
    return new PpoRecipe(
        config,
        new PpoStart(BASE, reward),
        new PpoData(data, List.of()),
        oracle,
        rewards,
        guarding);
  }

  static PpoConfig ppoConfig(int iterations) {
    return ppoConfig(iterations, 0, BestConfig.NONE);
  }

  static PpoConfig ppoConfig(int iterations, int evaluateEvery, BestConfig best) {
    return ppoConfig(iterations, evaluateEvery, best, GuardConfig.of(GuardConfig.Act.OFF));
  }

  static PpoConfig ppoConfig(
      int iterations, int evaluateEvery, BestConfig best, GuardConfig guard) {
    GenerationConfig generation = new GenerationConfig(6, 1, 0, 1, List.of());
    return new PpoConfig(
        iterations,
        16,
        2,
        2,
        Averaging.GLOBAL_TOKEN,
        generation,
        new KlConfig.Adaptive(0.02, 2, 100),
        Map.of(),
        Optional.empty(),
        new PpoConfig.TokenRewards(PpoConfig.Placement.MODERN, Optional.empty(), Optional.of(0.2)),
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
        evaluateEvery,
        best,
        guard,
        new EvaluationConfig(48, 3, generation));
  }

  /** With rules for rewards; the first of them says what is right. */
  static PpoConfig byRules(PpoConfig config, Map<String, RewardConfig> rewards) {
    return scoredBy(config, rewards, PpoConfig.Start.BASE);
  }

  static PpoConfig scoredBy(
      PpoConfig config, Map<String, RewardConfig> rewards, PpoConfig.Start critic) {
    return new PpoConfig(
        config.iterations(),
        config.promptsPerIteration(),
        config.ppoEpochs(),
        config.minibatches(),
        config.averaging(),
        config.generation(),
        config.kl(),
        rewards,
        Optional.of("three").filter(rewards::containsKey),
        config.tokenRewards(),
        config.advantages(),
        config.policy(),
        new PpoConfig.Critic(critic, 0.2, 0, new TuningConfig.Full(), optimizer(0.01)),
        config.evaluateEvery(),
        config.best(),
        config.guard(),
        config.evaluation());
  }

  static PreferenceRecipe<TokenPair, DpoPair> dpo(
      int evaluateEvery, BestConfig best, Optional<Oracle> oracle) {
    DpoConfig config =
        dpo(DpoConfig.Reference.START, DpoLoss.Variant.SIGMOID, 5, evaluateEvery, best);
    return preferences(config, new DpoMethod(config), split(tokenPairs()), oracle);
  }

  static DpoConfig dpo(
      DpoConfig.Reference reference,
      DpoLoss.Variant variant,
      double rate,
      int evaluateEvery,
      BestConfig best) {
    return new DpoConfig(
        3,
        8,
        variant,
        reference,
        0.1,
        0,
        0,
        0,
        new TuningConfig.Full(),
        optimizer(rate),
        8,
        evaluateEvery,
        best,
        evaluation());
  }

  static EvaluationConfig evaluation() {
    return new EvaluationConfig(48, 3, new GenerationConfig(6, 1, 0, 1, List.of()));
  }

  static List<TokenPair> tokenPairs() {
    return pairs(40).stream()
        .map(p -> new TokenPair(head(p[0], 0, 1), head(p[0], 1, 4), head(p[1], 1, 4), 0))
        .toList();
  }

  static <T> TrainingData<T> split(List<T> all) {
    return TrainingData.split("items", all, 8, 1, Map.of());
  }

  static <T, E extends Example> PreferenceRecipe<T, E> preferences(
      PreferenceConfig config,
      PreferenceMethod<T, E> method,
      TrainingData<T> data,
      Optional<Oracle> oracle) {
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 48; i++) {
      prompts.add(new Prompt("p" + i, "prompt " + i, TokenIds.of(1 + i % 2)));
    }
    return new PreferenceRecipe<>(config, method, BASE, data, prompts, oracle);
  }

  static TokenIds head(TokenIds tokens, int from, int to) {
    return new TokenIds(Arrays.copyOfRange(tokens.values(), from, to));
  }

  static OptimizerConfig optimizer(double rate) {
    return new OptimizerConfig(
        rate, LearningRateSchedule.Shape.CONSTANT, 0, 0.9, 0.95, 1e-8, 0, 0, 0, false);
  }
}
