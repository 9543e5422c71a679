package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.loss.OrpoObjective;
import dev.troupe.rlhf.loss.OrpoPair;
import dev.troupe.rlhf.recipe.OrpoConfig;
import dev.troupe.rlhf.recipe.OrpoMethod;
import dev.troupe.rlhf.recipe.PreferenceRecipe;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import java.util.List;
import java.util.Set;

/** ORPO: imitation and preference in one. */
public final class OrpoStage implements Stage<OrpoConfig> {
  @Override
  public String name() {
    return "orpo";
  }

  @Override
  public Class<OrpoConfig> config() {
    return OrpoConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return PreferenceRecipe.Result.class;
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
  public List<RoleUse> roles(OrpoConfig config) {
    return Preferences.roles(config, 2L * config.batchSize(), false);
  }

  @Override
  public Forecast forecast(OrpoConfig config, StageInputs inputs) {
    return Preferences.forecastOfPairs(name(), config, inputs);
  }

  @Override
  public Forecast forecast(OrpoConfig config, Counts counts) {
    return Preferences.forecastOfPairs(name(), config, counts);
  }

  @Override
  public void check(OrpoConfig config, StageInputs inputs) {
    inputs.comparisonPrompts(name(), config.evaluation());
  }

  @Override
  public Recipe recipe(OrpoConfig config, StageSetting setting) {
    return Preferences.recipe(
        name(),
        config,
        new OrpoMethod(config),
        Preferences.pairs(name(), config, setting.inputs()),
        setting);
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(OrpoObjective.class, OrpoPair.class);
  }

  @Override
  public int shownReplies(OrpoConfig config) {
    return config.evaluation().samples();
  }
}
