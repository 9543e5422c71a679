package dev.troupe.rlhf.stage;

import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.rlhf.recipe.PreferenceConfig;
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

  /** From counts alone. */
  static Forecast counted(String what, PreferenceConfig config, int samples, int heldOut) {
    return Forecast.counted(what, samples, heldOut, config.totalSteps(samples), config.batchSize());
  }
}
