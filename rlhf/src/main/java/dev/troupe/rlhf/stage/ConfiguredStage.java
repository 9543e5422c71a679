package dev.troupe.rlhf.stage;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A stage with its configuration. */
public record ConfiguredStage<C extends Record>(Stage<C> stage, C config) {
  /** Of a run's. */
  public static <C extends Record> ConfiguredStage<C> of(Stage<C> stage, Sections sections) {
    return new ConfiguredStage<>(stage, sections.of(stage));
  }

  public String name() {
    return stage.name();
  }

  public Part gives() {
    return stage.gives();
  }

  public List<RoleUse> roles() {
    return stage.roles(config);
  }

  /** Of the role that the stage leaves; absent where it trains none. */
  public Optional<TuningConfig> tuning() {
    return roles().stream()
        .flatMap(role -> role.training().stream())
        .map(RoleUse.Training::tuning)
        .findFirst();
  }

  /**
   * Whether a role trains matrices of the layers themselves, or makes them anew in every pass, so
   * that they cannot be frozen in blocks.
   */
  public boolean trainsMatrices() {
    return roles().stream()
        .flatMap(role -> role.training().stream())
        .map(RoleUse.Training::tuning)
        .anyMatch(
            it ->
                it instanceof TuningConfig.Full
                    || it instanceof TuningConfig.Loha
                    || it instanceof TuningConfig.Lokr);
  }

  /** Whether a role learns from its own answers. */
  public boolean isOnPolicy() {
    return roles().stream().anyMatch(ConfiguredStage::learnsFromItsAnswers);
  }

  /** Whether such a role drops inputs of its adapter while it learns. */
  public boolean dropsOnPolicy() {
    return roles().stream()
        .filter(ConfiguredStage::learnsFromItsAnswers)
        .flatMap(role -> role.training().stream())
        .anyMatch(it -> it.tuning() instanceof TuningConfig.Lora lora && lora.dropout() > 0);
  }

  private static boolean learnsFromItsAnswers(RoleUse role) {
    return role.answers() > 0 && role.training().isPresent();
  }

  /** Whether a role scores by a part as it is, so that there must be one. */
  public boolean needs(Part part) {
    return roles().stream().anyMatch(role -> role.from() == part && role.training().isEmpty());
  }

  /** Whether a role starts from a part, to stay as it is or to be trained. */
  public boolean uses(Part part) {
    return roles().stream().anyMatch(role -> role.from() == part);
  }

  /** {@link Stage#forecast(Record, StageInputs)}. */
  public Forecast forecast(StageInputs inputs) {
    return stage.forecast(config, inputs);
  }

  /** {@link Stage#forecast(Record, Counts)}. */
  public Forecast forecast(Counts counts) {
    return stage.forecast(config, counts);
  }

  public void check(StageInputs inputs) {
    stage.check(config, inputs);
  }

  /** {@link Stage#check(Record, RolloutsConfig, Limits)}. */
  public void check(RolloutsConfig rollouts, Limits limits) {
    stage.check(config, rollouts, limits);
  }

  public Recipe recipe(StageSetting setting) {
    return stage.recipe(config, setting);
  }

  public Optional<NewModel> newModel() {
    return stage.newModel(config);
  }

  public Map<String, ModelStart> models() {
    return stage.models(config);
  }

  public Map<String, String> files() {
    return stage.files(config);
  }

  public int shownReplies() {
    return stage.shownReplies(config);
  }
}
