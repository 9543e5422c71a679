package dev.troupe.actors.pipeline;

import dev.troupe.rewards.GivenEnvironments;
import dev.troupe.rewards.OutsideScorers;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Forecast;
import dev.troupe.rlhf.stage.Part;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * What a configuration comes to, found by reading the model's configuration and tokenizer, its
 * weights' headers and the data, and by training nothing: a configuration that has one is sound as
 * far as can be known before the first step.
 *
 * @param stages those to do, in order; without what an earlier run completed
 * @param diskBytes an estimate of what the run writes
 * @param complete the results of a complete run that is asked to go on
 */
public record RunForecast(
    PipelineConfig config,
    Purpose purpose,
    List<Planned> stages,
    long diskBytes,
    boolean complete) {
  /** For what it is made. */
  public enum Purpose {
    /** To look at: whatever the output directory holds. */
    PLAN,
    /** To start a run. */
    START,
    /** To go on with one. */
    RESUME
  }

  /** What one stage comes to. */
  public record Planned(ConfiguredStage<?> stage, Forecast forecast) {
    public String name() {
      return stage.name();
    }
  }

  public RunForecast {
    stages = List.copyOf(stages);
  }

  /** What can run and is hardly meant: by the stage that it is about, a line each. */
  public Map<String, String> notices() {
    Map<String, String> notices = new LinkedHashMap<>();
    List<ConfiguredStage<?>> toDo =
        stages.stream().<ConfiguredStage<?>>map(Planned::stage).toList();
    for (int i = 0; i < toDo.size(); i++) {
      ConfiguredStage<?> maker = toDo.get(i);
      List<ConfiguredStage<?>> takers =
          toDo.subList(i + 1, toDo.size()).stream()
              .filter(later -> later.stage().takes().contains(Part.REWARD_MODEL))
              .toList();
      if (maker.gives() == Part.REWARD_MODEL
          && !takers.isEmpty()
          && takers.stream().noneMatch(later -> later.uses(Part.REWARD_MODEL))) {
        notices.put(
            maker.name(),
            "no stage after it ("
                + takers.stream().map(ConfiguredStage::name).collect(Collectors.joining(", "))
                + ") uses the model that "
                + maker.name()
                + " trains; take "
                + maker.name()
                + " out of stages unless it is wanted for itself");
      }
    }
    return notices;
  }

  /**
   * Checks all that can be checked before anything is trained. Writes nothing but, where the
   * project's own data generator is used, temporary files.
   *
   * @throws PipelineException with all problems
   */
  public static RunForecast of(PipelineConfig config, Purpose purpose) {
    return of(config, purpose, line -> {});
  }

  /**
   * The same.
   *
   * @param progress hears a line now and then while large files are read
   */
  public static RunForecast of(PipelineConfig config, Purpose purpose, Consumer<String> progress) {
    return of(config, purpose, progress, List.of(), List.of());
  }

  /**
   * The same.
   *
   * @param functions rewards beside those on the class path
   * @param environments of episodes beside those on the class path
   */
  public static RunForecast of(
      PipelineConfig config,
      Purpose purpose,
      Consumer<String> progress,
      List<RewardFunction> functions,
      List<EnvironmentFactory> environments) {
    return new Preflight(
            config,
            purpose,
            progress,
            new OutsideScorers(functions),
            GivenEnvironments.all(environments))
        .forecast();
  }

  /** That of a stage, where it is to be done. */
  public Optional<Forecast> stage(String name) {
    return stages.stream()
        .filter(planned -> planned.name().equals(name))
        .map(Planned::forecast)
        .findFirst();
  }
}
