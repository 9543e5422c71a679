package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.data.BothKinds;
import dev.troupe.rlhf.data.JudgedAnswer;
import dev.troupe.rlhf.loss.KtoExample;
import dev.troupe.rlhf.loss.KtoObjective;
import dev.troupe.rlhf.recipe.KtoConfig;
import dev.troupe.rlhf.recipe.KtoMethod;
import dev.troupe.rlhf.recipe.PreferenceRecipe;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.List;
import java.util.Set;

/** KTO: from answers judged one by one, or from the two answers of pairs. */
public final class KtoStage implements Stage<KtoConfig> {
  @Override
  public String name() {
    return "kto";
  }

  @Override
  public Class<KtoConfig> config() {
    return KtoConfig.class;
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
    return Set.of(Source.JUDGED, Source.PREFERENCES, Source.PROMPTS);
  }

  @Override
  public List<RoleUse> roles(KtoConfig config) {
    return Preferences.roles(config, config.batchSize(), true);
  }

  @Override
  public Forecast forecast(KtoConfig config, StageInputs inputs) {
    return Preferences.forecast(
        "answers", config, data(config, inputs), answer -> List.of(answer.sequence()));
  }

  @Override
  public Forecast forecast(KtoConfig config, Counts counts) {
    int answers = counts.judged(name(), config.heldOut());
    return Preferences.counted(name(), "answers", config, answers, counts);
  }

  private TrainingData<JudgedAnswer> data(KtoConfig config, StageInputs inputs) {
    TrainingData<JudgedAnswer> data = inputs.judged(name(), config.heldOut());
    int good = (int) data.train().stream().filter(JudgedAnswer::good).count();
    config.imbalance(good, data.train().size() - good).ifPresent(inputs::report);
    long lacking = new BothKinds(data.train(), config.batchSize(), 0).withoutAKind();
    if (lacking > 0) {
      inputs.report(
          lacking
              + " of the "
              + config.totalSteps(data.train().size()) / config.epochs()
              + " batches of an epoch have answers of one kind alone: the data have too few of the"
              + " other; a larger kto.batch-size helps");
    }
    return data;
  }

  @Override
  public void check(KtoConfig config, StageInputs inputs) {
    inputs.comparisonPrompts(name(), config.evaluation());
  }

  @Override
  public Recipe recipe(KtoConfig config, StageSetting setting) {
    return Preferences.recipe(
        name(),
        config,
        new KtoMethod(config, setting.inputs().maxTokens()),
        data(config, setting.inputs()),
        setting);
  }

  @Override
  public Set<Class<?>> wire() {
    return Set.of(KtoObjective.class, KtoExample.class);
  }

  @Override
  public int shownReplies(KtoConfig config) {
    return config.evaluation().samples();
  }
}
