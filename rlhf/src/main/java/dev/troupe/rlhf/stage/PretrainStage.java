package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.recipe.PretrainConfig;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.SftRecipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Pre-training of a new model: supervised fine-tuning of every weight, on every token. */
public final class PretrainStage implements Stage<PretrainConfig> {
  private static final String TRAINING = "training";

  @Override
  public String name() {
    return "pretrain";
  }

  @Override
  public Class<PretrainConfig> config() {
    return PretrainConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return SftRecipe.Result.class;
  }

  @Override
  public Part gives() {
    return Part.MODEL;
  }

  @Override
  public Set<Part> takes() {
    return Set.of();
  }

  @Override
  public Set<Source> reads() {
    return Set.of(Source.TEXTS);
  }

  @Override
  public List<RoleUse> roles(PretrainConfig config) {
    return List.of(SftStage.policy(config.training(), Part.MODEL, TRAINING + ".tuning"));
  }

  @Override
  public Forecast forecast(PretrainConfig config, StageInputs inputs) {
    return SftStage.forecast(section(), config.training(), inputs);
  }

  @Override
  public Forecast forecast(PretrainConfig config, Counts counts) {
    return SftStage.forecast(section(), config.training(), counts);
  }

  private String section() {
    return name() + "." + TRAINING;
  }

  @Override
  public Recipe recipe(PretrainConfig config, StageSetting setting) {
    return new SftRecipe(
        config.training(),
        setting.policy(),
        SftStage.data(section(), config.training(), setting.inputs()));
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(SftObjective.class, SftExample.class);
  }

  @Override
  public String directory() {
    return "base";
  }

  @Override
  public Optional<NewModel> newModel(PretrainConfig config) {
    return Optional.of(new NewModel(name() + ".model", config.model()));
  }
}
