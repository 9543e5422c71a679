package dev.troupe.tests.reinforce;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TrainingData;
import dev.troupe.rlhf.stage.Counts;
import dev.troupe.rlhf.stage.Forecast;
import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.RoleUse;
import dev.troupe.rlhf.stage.Source;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.StageSetting;
import java.util.List;
import java.util.Set;

/** The stage {@code reinforce}. */
public final class ReinforceStage implements Stage<ReinforceConfig> {
  @Override
  public String name() {
    return "reinforce";
  }

  @Override
  public Class<ReinforceConfig> config() {
    return ReinforceConfig.class;
  }

  @Override
  public Class<? extends StageResult> result() {
    return ReinforceRecipe.Result.class;
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
    return Set.of(Source.PROMPTS);
  }

  @Override
  public List<RoleUse> roles(ReinforceConfig config) {
    int prompts = config.promptsPerIteration();
    var training = new RoleUse.Training("tuning", config.tuning(), config.optimizer(), prompts);
    return List.of(
        RoleUse.trained("policy", Part.POLICY, Head.LANGUAGE_MODEL, training).answering(prompts));
  }

  @Override
  public Forecast forecast(ReinforceConfig config, StageInputs inputs) {
    return Forecast.answered(
        data(config, inputs),
        config.iterations(),
        config.promptsPerIteration(),
        config.promptsPerIteration(),
        config.generation().maxNewTokens());
  }

  @Override
  public Forecast forecast(ReinforceConfig config, Counts counts) {
    int prompts =
        counts.prompts(
            name(), config.promptsPerIteration(), config.generation(), config.evaluation());
    return Forecast.counted(
        "prompts",
        prompts,
        config.evaluation().heldOut(),
        config.iterations(),
        config.promptsPerIteration());
  }

  private TrainingData<Prompt> data(ReinforceConfig config, StageInputs inputs) {
    return inputs.prompts(
        name(), config.promptsPerIteration(), config.generation(), config.evaluation());
  }

  @Override
  public Recipe recipe(ReinforceConfig config, StageSetting setting) {
    return new ReinforceRecipe(config, setting.policy(), data(config, setting.inputs()));
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(ReinforceObjective.class, WeightedAnswer.class);
  }

  @Override
  public int shownReplies(ReinforceConfig config) {
    return config.evaluation().samples();
  }
}
