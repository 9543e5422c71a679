package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.loss.DpoObjective;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.recipe.DpoConfig;
import dev.troupe.rlhf.recipe.DpoMethod;
import dev.troupe.rlhf.recipe.PreferenceRecipe;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import java.util.List;
import java.util.Set;

/** Direct preference optimisation; without a reference CPO and SimPO. */
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
  public List<RoleUse> roles(DpoConfig config) {
    return Preferences.roles(config, 2L * config.batchSize(), new DpoMethod(config).hasReference());
  }

  @Override
  public Forecast forecast(DpoConfig config, StageInputs inputs) {
    return Preferences.forecastOfPairs(name(), config, inputs);
  }

  @Override
  public Forecast forecast(DpoConfig config, Counts counts) {
    return Preferences.forecastOfPairs(name(), config, counts);
  }

  @Override
  public void check(DpoConfig config, StageInputs inputs) {
    inputs.comparisonPrompts(name(), config.evaluation());
  }

  @Override
  public Recipe recipe(DpoConfig config, StageSetting setting) {
    return Preferences.recipe(
        name(),
        config,
        new DpoMethod(config),
        Preferences.pairs(name(), config, setting.inputs()),
        setting);
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
