package dev.troupe.actors.pipeline;

import dev.troupe.engine.EngineException;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.ModelPath;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.data.Reading;
import dev.troupe.rlhf.environment.Environments;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.port.Text;
import dev.troupe.rlhf.quickstart.QuickstartFiles;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.reward.Scorers;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.Counts;
import dev.troupe.rlhf.stage.Forecast;
import dev.troupe.rlhf.stage.Part;
import dev.troupe.rlhf.stage.RoleUse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Looks for all problems of a run before its first step; the work of {@link RunForecast}. */
final class Preflight {
  private final PipelineConfig config;
  private final RunForecast.Purpose purpose;
  private final Consumer<String> progress;
  private final Scorers scorers;
  private final Environments environments;
  private final Set<String> problems = new LinkedHashSet<>();
  private final List<RunForecast.Planned> stages = new ArrayList<>();
  private final WeightReading weights;

  /**
   * @param progress hears how far reading is, where it takes long
   */
  Preflight(
      PipelineConfig config,
      RunForecast.Purpose purpose,
      Consumer<String> progress,
      Scorers scorers,
      Environments environments) {
    this.config = config;
    this.purpose = purpose;
    this.progress = progress;
    this.scorers = scorers;
    this.environments = environments;
    this.weights = new WeightReading(reading());
  }

  /** Nothing to cancel: nobody waits for more than this. */
  private Reading reading() {
    return new Reading(progress, () -> false);
  }

  RunForecast forecast() {
    Path output = Path.of(config.output());
    RunState state = RunState.of(output);
    if (purpose == RunForecast.Purpose.RESUME && state.isComplete(config)) {
      return new RunForecast(config, purpose, List.of(), 0, true);
    }
    if (purpose != RunForecast.Purpose.PLAN) {
      state.refusal(purpose).ifPresent(problems::add);
    }
    List<ConfiguredStage<?>> toDo =
        config.run().stream()
            .filter(each -> purpose != RunForecast.Purpose.RESUME || !state.isDone(each.stage()))
            .toList();
    Optional<ModelConfig> model = model(toDo);
    model.ifPresent(this::checkTunings);
    if (model.isPresent()) {
      checked("model: ", () -> weights.check(Path.of(config.model().orElseThrow()), false));
    }
    StartPoints start = new StartPoints(config);
    checked(() -> start.checkPolicy(weights));
    checked(() -> start.checkReward(weights));
    checked(() -> start.checkFurther(weights));
    data(toDo, model.isPresent());
    long disk = DiskNeed.of(config, model, stages);
    DiskNeed.problem(output, disk).ifPresent(problems::add);
    if (!problems.isEmpty()) {
      throw new PipelineException(text());
    }
    return new RunForecast(config, purpose, stages, disk, false);
  }

  private String text() {
    return problems.size() == 1
        ? problems.iterator().next()
        : problems.size()
            + " problems were found before anything was trained:\n  "
            + String.join("\n  ", problems);
  }

  /** Runs a check; what it refuses is one more problem. */
  private <T> Optional<T> checked(String prefix, Supplier<T> check) {
    try {
      return Optional.of(check.get());
    } catch (DataException
        | EnvironmentException
        | ScorerException
        | CheckpointException
        | EngineException
        | PipelineException e) {
      problems.add(prefix + e.getMessage());
      return Optional.empty();
    }
  }

  private void checked(Runnable check) {
    checked("", check);
  }

  private void checked(String prefix, Runnable check) {
    checked(
        prefix,
        () -> {
          check.run();
          return true;
        });
  }

  /** The model that the first stages to do start from, when there is one already. */
  private Optional<ModelConfig> model(List<ConfiguredStage<?>> toDo) {
    if (config.model().isEmpty() || toDo.stream().anyMatch(it -> it.gives() == Part.MODEL)) {
      return Optional.empty();
    }
    Path model = Path.of(config.model().get());
    return checked(
        "model: ",
        () -> {
          ModelPath.requireExisting(model);
          // Every tensor is there and has its shape.
          try (Checkpoint checkpoint = Checkpoint.open(model)) {
            return checkpoint.config();
          }
        });
  }

  /** That each stage's tuning is one that the model has, and that a later stage can go on from. */
  private void checkTunings(ModelConfig model) {
    Map<Part, Tuning> newest = new EnumMap<>(Part.class);
    for (ConfiguredStage<?> stage : config.run()) {
      if (stage.gives() == Part.MODEL) {
        continue; // there is no such model yet
      }
      for (RoleUse role : stage.roles()) {
        role.training()
            .ifPresent(
                training ->
                    tuning(
                        stage.name() + "." + training.key(),
                        training.tuning().tuning(),
                        Optional.ofNullable(newest.get(role.from())),
                        model));
      }
      stage.tuning().ifPresent(tuning -> newest.put(stage.gives(), tuning.tuning()));
    }
  }

  private void tuning(String key, Tuning tuning, Optional<Tuning> earlier, ModelConfig model) {
    checked(key + ": ", () -> HybridEngines.trainedParameters(tuning, model))
        .ifPresent(
            counted ->
                checked(
                    key + ": ",
                    () -> {
                      earlier.ifPresent(then -> HybridEngines.checkGoesOn(then, tuning, model));
                      return counted;
                    }));
  }

  private void data(List<ConfiguredStage<?>> toDo, boolean modelIsSound) {
    Optional<Path> made = Optional.empty();
    try {
      DataConfig data = config.data();
      if (config.quickstart().isPresent()) {
        made = Optional.of(Files.createTempDirectory("troupe-plan-"));
        data = QuickstartFiles.write(made.get(), config.quickstart().get(), config.data());
      }
      Optional<ModelText> text =
          modelIsSound
              ? checked(
                  "model: ",
                  () ->
                      ModelText.load(
                          Path.of(config.model().orElseThrow()), config.data().chatTemplate()))
              : Optional.empty();
      try {
        for (ConfiguredStage<?> stage : toDo) {
          stage(stage, data, text.map(Text.class::cast));
        }
      } finally {
        text.ifPresent(ModelText::close);
      }
    } catch (IOException e) {
      throw new PipelineException("cannot make the quickstart's data: " + e, e);
    } finally {
      made.ifPresent(Preflight::remove);
    }
  }

  /** With a tokenizer, what the stage will be given; without one, the records alone. */
  private void stage(ConfiguredStage<?> stage, DataConfig data, Optional<Text> text) {
    if (text.isEmpty()) {
      Counts counts = new Counts(data, config.seed(), reading(), config.newModel());
      planned(stage, () -> stage.forecast(counts));
      return;
    }
    checked(
            "",
            () ->
                new StageInputs(data, text.get(), config.seed(), reading(), scorers, environments))
        .ifPresent(
            inputs -> {
              planned(stage, () -> stage.forecast(inputs));
              checked(() -> stage.check(inputs));
            });
  }

  private void planned(ConfiguredStage<?> stage, Supplier<Forecast> forecast) {
    checked("", forecast).ifPresent(found -> stages.add(new RunForecast.Planned(stage, found)));
  }

  private static void remove(Path tree) {
    try (Stream<Path> below = Files.walk(tree)) {
      for (Path path : below.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    } catch (IOException e) {
      throw new PipelineException("cannot remove " + tree + ": " + e, e);
    }
  }
}
