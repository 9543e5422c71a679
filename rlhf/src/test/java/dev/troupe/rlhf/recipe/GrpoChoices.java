package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.EpisodesConfig;
import dev.troupe.rlhf.loss.GroupAdvantages.Baseline;
import dev.troupe.rlhf.loss.GroupAdvantages.Scale;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.reward.GuardConfig;
import dev.troupe.rlhf.reward.PatternRule;
import dev.troupe.rlhf.reward.RewardConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** GRPO as it is by default, with what a test changes. */
final class GrpoChoices {
  int iterations = 30;
  int prompts = 8;
  int answers = 4;
  int epochs = 1;
  int minibatches = 1;
  int reuse = 0;
  Map<String, RewardConfig> rewards =
      Map.of("three", new RewardConfig.Pattern(1, "3", PatternRule.Use.CONTAINS));
  Optional<String> right = Optional.empty();
  Optional<EnvironmentConfig> environment = Optional.empty();
  EpisodesConfig episodes = new EpisodesConfig(8, 64, 64, 60, 600, Optional.empty());
  int maxNewTokens = 6;
  double temperature = 1;
  GrpoConfig.Groups groups = new GrpoConfig.Groups(GrpoConfig.Constant.KEEP, 0);
  LengthConfig length = new LengthConfig(Optional.empty(), 1, 1, false);
  GroupAdvantagesConfig advantages = advantages(Baseline.MEAN, Scale.GROUP);
  ReferenceConfig kl = kl(0, ReferenceConfig.Placement.LOSS);
  Learn learn =
      gradient(Ratio.TOKEN, new SurrogateConfig.Clip(0.2, 0.2, Optional.empty()), Learn.Mean.TOKEN);
  TeacherConfig teacher = new TeacherConfig(Optional.empty(), Optional.empty(), 1, 0);
  Optional<Double> importanceCap = Optional.of(2.0);
  double learningRate = 2;
  int evaluateEvery = 0;
  BestConfig best = BestConfig.NONE;
  GuardConfig guard = GuardConfig.of(GuardConfig.Act.OFF);

  static GroupAdvantagesConfig advantages(Baseline baseline, Scale scale) {
    return new GroupAdvantagesConfig(
        baseline, scale, 1e-4, GroupAdvantagesConfig.Credit.ANSWER, 1, Whitening.NONE);
  }

  static ReferenceConfig kl(double coefficient, ReferenceConfig.Placement placement) {
    return new ReferenceConfig(
        coefficient,
        placement,
        placement == ReferenceConfig.Placement.LOSS ? Kl.K3 : Kl.K1,
        KlTerm.Gradient.ESTIMATE);
  }

  static Learn gradient(Ratio ratio, SurrogateConfig surrogate, Learn.Mean mean) {
    return new Learn.PolicyGradient(ratio, surrogate, mean, 0);
  }

  GrpoConfig config() {
    GenerationConfig generation = new GenerationConfig(maxNewTokens, temperature, 0, 1, List.of());
    return new GrpoConfig(
        iterations,
        prompts,
        answers,
        epochs,
        minibatches,
        reuse,
        rewards,
        right,
        environment,
        episodes,
        generation,
        groups,
        length,
        advantages,
        kl,
        learn,
        teacher,
        new GrpoConfig.Policy(
            importanceCap,
            Optional.empty(),
            new TuningConfig.Full(),
            TabularRecipes.optimizer(learningRate)),
        evaluateEvery,
        best,
        guard,
        new EvaluationConfig(24, 3, generation));
  }
}
