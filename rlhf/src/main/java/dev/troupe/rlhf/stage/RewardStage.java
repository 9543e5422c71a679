package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Head;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.loss.ScoreObjective;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.RewardModelConfig;
import dev.troupe.rlhf.recipe.RewardModelRecipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.List;
import java.util.Set;

/** Reward modelling from preference pairs, from scores, or from labels of steps. */
public final class RewardStage implements Stage<RewardModelConfig> {
  @Override
  public String name() {
    return "reward";
  }

  @Override
  public Class<RewardModelConfig> config() {
    return RewardModelConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return RewardModelRecipe.Result.class;
  }

  @Override
  public Part gives() {
    return Part.REWARD_MODEL;
  }

  @Override
  public Set<Part> takes() {
    return Set.of(Part.REWARD_MODEL);
  }

  @Override
  public Set<Source> reads() {
    return Set.of(Source.PREFERENCES, Source.JUDGED);
  }

  @Override
  public List<RoleUse> roles(RewardModelConfig config) {
    return List.of(
        RoleUse.trained(
            "reward",
            Part.REWARD_MODEL,
            Head.VALUE,
            new RoleUse.Training(
                "tuning",
                config.tuning(),
                config.optimizer(),
                (config.loss().pairs() ? 2L : 1) * config.batchSize())));
  }

  @Override
  public Forecast forecast(RewardModelConfig config, StageInputs inputs) {
    return config.loss().pairs()
        ? forecast("pairs", config, pairs(config, inputs))
        : forecast("answers", config, scores(config, inputs));
  }

  private static Forecast forecast(
      String what, RewardModelConfig config, TrainingData<? extends Example> data) {
    return Forecast.trained(
        what,
        data,
        data.train().stream().flatMap(example -> example.sequences().stream()).toList(),
        config.epochs(),
        config.totalSteps(data.train().size()),
        config.batchSize());
  }

  @Override
  public Forecast forecast(RewardModelConfig config, Counts counts) {
    boolean pairs = config.loss().pairs();
    int samples =
        pairs ? counts.pairs(name(), config.heldOut()) : counts.scored(name(), config.heldOut());
    return Forecast.counted(
        pairs ? "pairs" : "answers",
        samples,
        config.heldOut(),
        config.totalSteps(samples),
        config.batchSize());
  }

  private TrainingData<RankedPair> pairs(RewardModelConfig config, StageInputs inputs) {
    if (config.loss() == RewardModelConfig.Loss.TOKEN_WISE) {
      int end = inputs.endOfSequence();
      return inputs.pairsWithoutMargin(name(), config.heldOut()).map(pair -> pair.tokenWise(end));
    }
    return inputs.pairs(name(), config.heldOut()).map(TokenPair::lastToken);
  }

  private TrainingData<ScoredExample> scores(RewardModelConfig config, StageInputs inputs) {
    return config.loss() == RewardModelConfig.Loss.STEPS
        ? inputs.steps(name(), config.stepSeparator(), config.heldOut())
        : inputs.scored(name(), config.heldOut());
  }

  @Override
  public Recipe recipe(RewardModelConfig config, StageSetting setting) {
    return config.loss().pairs()
        ? RewardModelRecipe.ofPairs(config, setting.reward(), pairs(config, setting.inputs()))
        : RewardModelRecipe.ofScores(config, setting.reward(), scores(config, setting.inputs()));
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(
        RewardObjective.class, RankedPair.class, ScoreObjective.class, ScoredExample.class);
  }
}
