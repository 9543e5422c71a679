package dev.troupe.actors.pipeline;

import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.EpisodesConfig;
import dev.troupe.rlhf.evaluation.AnswersConfig;
import dev.troupe.rlhf.evaluation.ClassificationConfig;
import dev.troupe.rlhf.evaluation.PerplexityConfig;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.recipe.GenerationConfig;
import dev.troupe.rlhf.reward.RewardConfig;
import java.util.Optional;

/**
 * What is measured of a model outside a run, and on what data.
 *
 * @param model directory of a checkpoint
 * @param adapter directory of an adapter on it, or of a whole model that stands for it
 * @param against the model that answers are compared with; absent for no win rate
 * @param rewardModel directory of a reward model: an adapter with its score, or a whole model
 * @param seed of sampling and of the choice of examples
 * @param data texts (sft) and prompts
 * @param environment what answers are episodes in; absent for answers given at once
 * @param episodes what bounds them
 * @param generation how prompts are answered
 */
public record EvalConfig(
    String model,
    Optional<String> adapter,
    Optional<AgainstConfig> against,
    Optional<String> rewardModel,
    long seed,
    PipelineConfig.Engine engine,
    DataConfig data,
    Optional<PerplexityConfig> perplexity,
    Optional<AnswersConfig> answers,
    Optional<EnvironmentConfig> environment,
    EpisodesConfig episodes,
    GenerationConfig generation,
    Optional<ClassificationConfig> classification) {
  /**
   * Another model.
   *
   * @param model directory; absent for the same base
   * @param adapter on it; absent for none
   */
  public record AgainstConfig(Optional<String> model, Optional<String> adapter) {}

  public EvalConfig {
    boolean scoresByModel =
        answers.map(each -> RewardConfig.needModel(each.rewards())).orElse(false);
    boolean needsEnvironment =
        answers.map(each -> RewardConfig.needEnvironment(each.rewards())).orElse(false);
    Limits limits = new Limits();
    answers.ifPresent(
        each -> episodes.check(limits, environment, each.perProblem(), "answers.per-problem"));
    limits
        .condition("model", "empty", !model.isBlank(), "directory of a checkpoint")
        .condition(
            "perplexity",
            "null like answers and classification",
            perplexity.isPresent() || answers.isPresent() || classification.isPresent(),
            "one of the three or more, for there is nothing to measure: perplexity {}",
            "answers",
            "classification")
        .condition(
            "answers",
            "null",
            against.isEmpty() || answers.isPresent(),
            "a section where against names a model: answers are what is compared",
            "against")
        .condition(
            "answers",
            "null",
            environment.isEmpty() || answers.isPresent(),
            "a section where environment names one: answers are what is played there",
            "environment")
        .condition(
            "environment",
            "null",
            environment.isPresent() || !needsEnvironment,
            "an environment, for answers.rewards has one of type environment, which is what it"
                + " gives",
            "answers")
        .condition(
            "reward-model",
            "null",
            !scoresByModel || rewardModel.isPresent(),
            "a directory, for answers.rewards has one of type model",
            "answers")
        .condition(
            "reward-model",
            rewardModel.orElse("null"),
            scoresByModel || rewardModel.isEmpty(),
            "null where answers.rewards has none of type model: nothing would be scored by it",
            "answers")
        .condition(
            "generation.temperature",
            generation.temperature(),
            generation.temperature() > 0
                || answers.map(each -> each.perProblem() == 1).orElse(true),
            "above 0 for several answers to a problem, which would all be the same",
            "answers")
        .verify();
  }
}
