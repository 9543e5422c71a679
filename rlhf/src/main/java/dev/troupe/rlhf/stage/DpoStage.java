package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Head;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.recipe.DpoConfig;
import dev.troupe.rlhf.recipe.DpoRecipe;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** Direct preference optimisation. */
public final class DpoStage implements Stage<DpoConfig> {
  @Override
  public String name() {
    return "dpo";
  }

  @Override
  public Class<DpoConfig> config() {
    return DpoConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return DpoRecipe.Result.class;
  }

  @Override
  public Part gives() {
    return Part.POLICY;
  }

  @Override
  public Set<Part> takes() {
    return Set.of(Part.POLICY);
  }

  @Override
  public Set<Source> reads() {
    return Set.of(Source.PREFERENCES, Source.PROMPTS);
  }

  @Override
  public List<RoleUse> roles(DpoConfig config) {
    return List.of(
        RoleUse.trained(
            "policy",
            Part.POLICY,
            Head.LANGUAGE_MODEL,
            new RoleUse.Training(
                "tuning", config.tuning(), config.optimizer(), 2L * config.batchSize())),
        RoleUse.frozen("reference", Part.POLICY, Head.LANGUAGE_MODEL));
  }

  @Override
  public Forecast forecast(DpoConfig config, StageInputs inputs) {
    TrainingData<TokenPair> data = inputs.pairs(name(), config.heldOut());
    return Forecast.trained(
        "pairs",
        data,
        data.train().stream()
            .flatMap(pair -> Stream.of(pair.chosenSequence(), pair.rejectedSequence()))
            .toList(),
        config.epochs(),
        config.totalSteps(data.train().size()),
        config.batchSize());
  }

  @Override
  public Forecast forecast(DpoConfig config, Counts counts) {
    int pairs = counts.pairs(name(), config.heldOut());
    counts.comparisonPrompts(name(), config.evaluation());
    return Forecast.counted(
        "pairs", pairs, config.heldOut(), config.totalSteps(pairs), config.batchSize());
  }

  @Override
  public void check(DpoConfig config, StageInputs inputs) {
    inputs.comparisonPrompts(name(), config.evaluation());
  }

  @Override
  public Recipe recipe(DpoConfig config, StageSetting setting) {
    return new DpoRecipe(
        config,
        setting.policy(),
        setting.inputs().pairs(name(), config.heldOut()),
        setting.inputs().comparisonPrompts(name(), config.evaluation()),
        setting.oracle());
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(DpoObjective.class, DpoPair.class);
  }

  @Override
  public int shownReplies(DpoConfig config) {
    return config.evaluation().samples();
  }
}
