package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.recipe.PreferenceConfig;
import dev.troupe.rlhf.recipe.PreferenceMethod;
import dev.troupe.rlhf.recipe.PreferenceRecipe;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.TrainingData;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** What the stages have in common that learn from preferences. */
final class Preferences {
  private Preferences() {}

  /**
   * The policy, and the reference where there is one.
   *
   * @param sequences of one optimiser step
   */
  static List<RoleUse> roles(PreferenceConfig config, long sequences, boolean reference) {
    List<RoleUse> roles = new ArrayList<>();
    roles.add(
        RoleUse.trained(
            "policy",
            Part.POLICY,
            Head.LANGUAGE_MODEL,
            new RoleUse.Training("tuning", config.tuning(), config.optimizer(), sequences)));
    if (reference) {
      roles.add(RoleUse.frozen("reference", Part.POLICY, Head.LANGUAGE_MODEL));
    }
    return List.copyOf(roles);
  }

  /** From data as they will be trained on. */
  static <T> Forecast forecast(
      String what,
      PreferenceConfig config,
      TrainingData<T> data,
      Function<T, List<Sequence>> sequences) {
    return Forecast.trained(
        what,
        data,
        data.train().stream().flatMap(sample -> sequences.apply(sample).stream()).toList(),
        config.epochs(),
        config.totalSteps(data.train().size()),
        config.batchSize());
  }

  /** Of pairs of answers whose margins are not read. */
  static TrainingData<TokenPair> pairs(String stage, PreferenceConfig config, StageInputs inputs) {
    return inputs.pairsWithoutMargin(stage, config.heldOut());
  }

  /** From pairs as they will be trained on. */
  static Forecast forecastOfPairs(String stage, PreferenceConfig config, StageInputs inputs) {
    return forecast(
        "pairs",
        config,
        pairs(stage, config, inputs),
        pair -> List.of(pair.chosenSequence(), pair.rejectedSequence()));
  }

  /** From counted pairs. */
  static Forecast forecastOfPairs(String stage, PreferenceConfig config, Counts counts) {
    return counted(stage, "pairs", config, counts.pairs(stage, config.heldOut()), counts);
  }

  /** From counts alone. */
  static Forecast counted(
      String stage, String what, PreferenceConfig config, int samples, Counts counts) {
    counts.comparisonPrompts(stage, config.evaluation());
    return Forecast.counted(
        what, samples, config.heldOut(), config.totalSteps(samples), config.batchSize());
  }

  static <T, E extends Example> Recipe recipe(
      String stage,
      PreferenceConfig config,
      PreferenceMethod<T, E> method,
      TrainingData<T> data,
      StageSetting setting) {
    return new PreferenceRecipe<>(
        config,
        method,
        setting.policy(),
        data,
        setting.inputs().comparisonPrompts(stage, config.evaluation()),
        setting.oracle());
  }
}
