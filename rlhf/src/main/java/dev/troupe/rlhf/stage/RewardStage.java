package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Head;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.RankedPair;
import dev.troupe.rlhf.loss.RewardObjective;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.RewardModelConfig;
import dev.troupe.rlhf.recipe.RewardModelRecipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.List;
import java.util.Set;

/** Reward modelling from preference pairs. */
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
    return Set.of(Source.PREFERENCES);
  }

  @Override
  public List<RoleUse> roles(RewardModelConfig config) {
    return List.of(
        RoleUse.trained(
            "reward",
            Part.REWARD_MODEL,
            Head.VALUE,
            new RoleUse.Training(
                "tuning", config.tuning(), config.optimizer(), 2L * config.batchSize())));
  }

  @Override
  public Forecast forecast(RewardModelConfig config, StageInputs inputs) {
    TrainingData<RankedPair> data = data(config, inputs);
    return Forecast.trained(
        "pairs",
        data,
        data.train().stream().flatMap(pair -> pair.sequences().stream()).toList(),
        config.epochs(),
        config.totalSteps(data.train().size()),
        config.batchSize());
  }

  @Override
  public Forecast forecast(RewardModelConfig config, Counts counts) {
    int pairs = counts.pairs(name(), config.heldOut());
    return Forecast.counted(
        "pairs", pairs, config.heldOut(), config.totalSteps(pairs), config.batchSize());
  }

  private TrainingData<RankedPair> data(RewardModelConfig config, StageInputs inputs) {
    TrainingData<TokenPair> pairs = inputs.pairs(name(), config.heldOut());
    int end = inputs.endOfSequence();
    return switch (config.loss()) {
      case LAST_TOKEN -> pairs.map(TokenPair::lastToken);
      case TOKEN_WISE -> pairs.map(pair -> pair.tokenWise(end));
    };
  }

  @Override
  public Recipe recipe(RewardModelConfig config, StageSetting setting) {
    return new RewardModelRecipe(config, setting.reward(), data(config, setting.inputs()));
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(RewardObjective.class, RankedPair.class);
  }
}
