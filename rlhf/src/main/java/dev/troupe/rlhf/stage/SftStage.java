package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Head;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.SftConfig;
import dev.troupe.rlhf.recipe.SftRecipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.List;
import java.util.Set;

/** Supervised fine-tuning. */
public final class SftStage implements Stage<SftConfig> {
  @Override
  public String name() {
    return "sft";
  }

  @Override
  public Class<SftConfig> config() {
    return SftConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return SftRecipe.Result.class;
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
    return Set.of(Source.TEXTS);
  }

  @Override
  public List<RoleUse> roles(SftConfig config) {
    return List.of(policy(config, Part.POLICY, "tuning"));
  }

  static RoleUse policy(SftConfig config, Part from, String key) {
    return RoleUse.trained(
        "policy",
        from,
        Head.LANGUAGE_MODEL,
        new RoleUse.Training(key, config.tuning(), config.optimizer(), config.batchSize()));
  }

  @Override
  public Forecast forecast(SftConfig config, StageInputs inputs) {
    return forecast(name(), config, inputs);
  }

  static Forecast forecast(String section, SftConfig config, StageInputs inputs) {
    TrainingData<SftExample> data = data(section, config, inputs);
    return Forecast.trained(
        "texts",
        data,
        data.train().stream().map(SftExample::sequence).toList(),
        config.epochs(),
        config.totalSteps(data.train().size()),
        config.batchSize());
  }

  @Override
  public Forecast forecast(SftConfig config, Counts counts) {
    return forecast(name(), config, counts);
  }

  static Forecast forecast(String section, SftConfig config, Counts counts) {
    int texts = counts.texts(section, config.heldOut());
    return Forecast.counted(
        "texts", texts, config.heldOut(), config.totalSteps(texts), config.batchSize());
  }

  static TrainingData<SftExample> data(String section, SftConfig config, StageInputs inputs) {
    return inputs.texts(section, config.trainOn(), config.heldOut());
  }

  @Override
  public Recipe recipe(SftConfig config, StageSetting setting) {
    return new SftRecipe(config, setting.policy(), data(name(), config, setting.inputs()));
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(SftObjective.class, SftExample.class);
  }
}
