package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * An algorithm as a stage of a run: everything that the rest of the house knows of it. Stages are
 * found by {@link java.util.ServiceLoader} beside the built-in ones, see {@link Stages}; such a
 * class has a public constructor without arguments. docs/adding-an-algorithm.md shows one whole.
 *
 * @param <C> the record of its configuration
 */
public interface Stage<C extends Record> {
  /**
   * As {@code stages} names it: lower-case letters, digits and dashes. The section of the
   * configuration, the checkpoints' directory and, but for {@link #directory()}, that of what it
   * trains have this name.
   */
  String name();

  /** Bound from the section; its constructor validates. */
  Class<C> config();

  /**
   * The section's defaults: a resource beside this class, HOCON, with a value and a comment for
   * every key.
   */
  default String defaults() {
    return name() + ".conf";
  }

  /** What {@link Recipe#run} returns: a record, whose components the summary shows. */
  Class<? extends StageResult> result();

  /** What it hands on: what its first trained role has become. */
  Part gives();

  /** What of {@code start} it may begin from, whatever its configuration. */
  Set<Part> takes();

  /** What of {@code data} it reads. */
  Set<Source> reads();

  /** All roles that it plays; the first that is trained is what the stage leaves. */
  List<RoleUse> roles(C config);

  /** Data as they will be trained on. */
  Forecast forecast(C config, StageInputs inputs);

  /** What can be said while the tokenizer is yet to be made, or its model is not there. */
  Forecast forecast(C config, Counts counts);

  /**
   * Looks for what would stop the stage later and {@link #forecast} does not see.
   *
   * @throws dev.troupe.rlhf.data.DataException that tells the user what and how to mend it
   */
  default void check(C config, StageInputs inputs) {}

  /**
   * What of the configuration does not go with how the run samples beside learning.
   *
   * @param limits to be told so, by whole keys such as {@code ppo.iterations}
   */
  default void check(C config, RolloutsConfig rollouts, Limits limits) {}

  /** Everything together, ready to run. */
  Recipe recipe(C config, StageSetting setting);

  /**
   * The objectives and examples that it sends to roles; with them travel the records, enums and
   * sealed interfaces that they are made of.
   */
  Set<Class<?>> wire();

  /**
   * Further models that roles are made of, by the configuration's keys; their tokens are the run's.
   */
  default Map<String, ModelStart> models(C config) {
    return Map.of();
  }

  /**
   * Further files that its result depends on, by the configuration's keys: a run that goes on must
   * find them as they were.
   */
  default Map<String, String> files(C config) {
    return Map.of();
  }

  /** Directory of what it trains in the run's own. */
  default String directory() {
    return name();
  }

  /** The model that it begins from, where that is yet to be made; then it must be the first. */
  default Optional<NewModel> newModel(C config) {
    return Optional.empty();
  }

  /** Replies before and after that the end of a run shows, where the result has such. */
  default int shownReplies(C config) {
    return 0;
  }
}
