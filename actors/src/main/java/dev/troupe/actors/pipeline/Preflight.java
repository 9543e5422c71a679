package dev.troupe.actors.pipeline;

import dev.troupe.engine.EngineException;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.ModelPath;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataException;
import dev.troupe.rlhf.data.Reading;
import dev.troupe.rlhf.data.StageData;
import dev.troupe.rlhf.data.TokenPair;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.port.Text;
import dev.troupe.rlhf.quickstart.QuickstartFiles;
import dev.troupe.rlhf.recipe.PpoConfig;
import dev.troupe.rlhf.recipe.PpoData;
import dev.troupe.rlhf.recipe.SftConfig;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.TrainingData;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Looks for all problems of a run before its first step; the work of {@link RunForecast}. */
final class Preflight {
  private final PipelineConfig config;
  private final RunForecast.Purpose purpose;
  private final Consumer<String> progress;
  private final Set<String> problems = new LinkedHashSet<>();
  private final List<RunForecast.Stage> stages = new ArrayList<>();

  /**
   * @param progress hears how far reading is, where it takes long
   */
  Preflight(PipelineConfig config, RunForecast.Purpose purpose, Consumer<String> progress) {
    this.config = config;
    this.purpose = purpose;
    this.progress = progress;
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
    List<PipelineConfig.Stage> toDo =
        purpose == RunForecast.Purpose.RESUME
            ? config.stages().stream().filter(stage -> !state.isDone(stage)).toList()
            : config.stages();
    Optional<ModelConfig> model = model(toDo);
    model.ifPresent(this::checkTunings);
    StartPoints start = new StartPoints(config);
    checked(start::checkPolicy);
    checked(start::checkReward);
    data(toDo, model.isPresent());
    long disk = DiskNeed.of(config, model, toDo);
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
    } catch (DataException | CheckpointException | EngineException | PipelineException e) {
      problems.add(prefix + e.getMessage());
      return Optional.empty();
    }
  }

  private void checked(Runnable check) {
    checked(
        "",
        () -> {
          check.run();
          return true;
        });
  }

  /** The model that the first stages to do start from, when there is one already. */
  private Optional<ModelConfig> model(List<PipelineConfig.Stage> toDo) {
    if (config.model().isEmpty() || toDo.contains(PipelineConfig.Stage.PRETRAIN)) {
      return Optional.empty();
    }
    Path model = Path.of(config.model().get());
    return checked(
        "model: ",
        () -> {
          ModelPath.requireExisting(model);
          // Every tensor is there and has its shape; the numbers are read when the run starts.
          try (Checkpoint checkpoint = Checkpoint.open(model)) {
            return checkpoint.config();
          }
        });
  }

  /** That each stage's tuning is one that the model has, and that a later stage can go on from. */
  private void checkTunings(ModelConfig model) {
    Optional<Tuning> policy = Optional.empty();
    Optional<Tuning> reward = Optional.empty();
    for (PipelineConfig.Stage stage : config.stages()) {
      switch (stage) {
        case PRETRAIN -> {}
        case SFT -> policy = tuning("sft.tuning", config.sft().tuning().tuning(), policy, model);
        case REWARD ->
            reward = tuning("reward.tuning", config.reward().tuning().tuning(), reward, model);
        case PPO -> {
          policy =
              tuning("ppo.policy.tuning", config.ppo().policy().tuning().tuning(), policy, model);
          tuning(
              "ppo.critic.tuning",
              config.ppo().critic().tuning().tuning(),
              config.ppo().critic().start() == PpoConfig.Start.REWARD_MODEL
                  ? reward
                  : Optional.empty(),
              model);
        }
        case DPO -> policy = tuning("dpo.tuning", config.dpo().tuning().tuning(), policy, model);
      }
    }
  }

  private Optional<Tuning> tuning(
      String key, Tuning tuning, Optional<Tuning> earlier, ModelConfig model) {
    checked(key + ": ", () -> HybridEngines.trainedParameters(tuning, model))
        .ifPresent(
            counted ->
                checked(
                    key + ": ",
                    () -> {
                      earlier.ifPresent(then -> HybridEngines.checkGoesOn(then, tuning, model));
                      return counted;
                    }));
    return Optional.of(tuning);
  }

  private void data(List<PipelineConfig.Stage> toDo, boolean modelIsSound) {
    Optional<Path> made = Optional.empty();
    try {
      DataConfig data = config.data();
      if (config.quickstart().isPresent()) {
        made = Optional.of(Files.createTempDirectory("troupe-plan-"));
        data = QuickstartFiles.write(made.get(), config.quickstart().get(), config.data());
      }
      Optional<ModelText> text =
          modelIsSound
              ? checked("model: ", () -> ModelText.load(Path.of(config.model().orElseThrow())))
              : Optional.empty();
      try {
        for (PipelineConfig.Stage stage : toDo) {
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
  private void stage(PipelineConfig.Stage stage, DataConfig data, Optional<Text> text) {
    if (text.isEmpty()) {
      checked("", () -> records(stage, data)).ifPresent(stages::add);
      return;
    }
    checked("", () -> new StageInputs(data, text.get(), config.seed(), reading()))
        .ifPresent(
            inputs -> {
              switch (stage) {
                case PRETRAIN -> add(() -> imitated(stage, config.pretrain().training(), inputs));
                case SFT -> add(() -> imitated(stage, config.sft(), inputs));
                case REWARD -> add(() -> ranked(inputs));
                case PPO -> add(() -> answered(inputs));
                case DPO -> {
                  add(() -> preferred(inputs));
                  checked("", () -> inputs.dpoPrompts(config.dpo()));
                }
              }
            });
  }

  private void add(Supplier<RunForecast.Stage> forecast) {
    checked("", forecast).ifPresent(stages::add);
  }

  private RunForecast.Stage imitated(
      PipelineConfig.Stage stage, SftConfig sft, StageInputs inputs) {
    TrainingData<SftExample> data = inputs.sft(section(stage), sft);
    return forecast(
        stage,
        "texts",
        data,
        sft.totalSteps(data.train().size()),
        sft.batchSize(),
        data.train().stream().map(SftExample::sequence).toList(),
        sft.epochs());
  }

  private RunForecast.Stage ranked(StageInputs inputs) {
    var data = inputs.rewardModel(config.reward());
    return forecast(
        PipelineConfig.Stage.REWARD,
        "pairs",
        data,
        config.reward().totalSteps(data.train().size()),
        config.reward().batchSize(),
        data.train().stream().flatMap(pair -> Stream.of(pair.chosen(), pair.rejected())).toList(),
        config.reward().epochs());
  }

  private RunForecast.Stage preferred(StageInputs inputs) {
    TrainingData<TokenPair> data = inputs.dpo(config.dpo());
    return forecast(
        PipelineConfig.Stage.DPO,
        "pairs",
        data,
        config.dpo().totalSteps(data.train().size()),
        config.dpo().batchSize(),
        data.train().stream()
            .flatMap(pair -> Stream.of(pair.chosenSequence(), pair.rejectedSequence()))
            .toList(),
        config.dpo().epochs());
  }

  private RunForecast.Stage answered(StageInputs inputs) {
    PpoConfig ppo = config.ppo();
    PpoData data = inputs.ppo(ppo);
    int longestPrompt =
        data.prompts().train().stream().mapToInt(it -> it.tokens().size()).max().orElse(0);
    return new RunForecast.Stage(
        PipelineConfig.Stage.PPO,
        "prompts",
        data.prompts().train().size(),
        OptionalInt.of(data.prompts().heldOut().size()),
        data.prompts().dropped(),
        ppo.iterations(),
        ppo.promptsPerIteration(),
        OptionalLong.of(
            (long) ppo.iterations() * ppo.promptsPerIteration() * ppo.generation().maxNewTokens()),
        OptionalInt.of(longestPrompt + ppo.generation().maxNewTokens()));
  }

  private static RunForecast.Stage forecast(
      PipelineConfig.Stage stage,
      String what,
      TrainingData<?> data,
      int steps,
      int perStep,
      List<Sequence> sequences,
      int epochs) {
    return new RunForecast.Stage(
        stage,
        what,
        data.train().size(),
        OptionalInt.of(data.heldOut().size()),
        data.dropped(),
        steps,
        perStep,
        OptionalLong.of(epochs * sequences.stream().mapToLong(it -> it.tokens().size()).sum()),
        OptionalInt.of(sequences.stream().mapToInt(it -> it.tokens().size()).max().orElse(0)));
  }

  /** What can be said of a stage whose tokenizer is yet to be made, or whose model is not there. */
  private RunForecast.Stage records(PipelineConfig.Stage stage, DataConfig data) {
    return switch (stage) {
      case PRETRAIN -> imitatedRecords(stage, config.pretrain().training(), data);
      case SFT -> imitatedRecords(stage, config.sft(), data);
      case REWARD -> {
        int pairs = StageData.preferences(data, config.seed(), reading()).size();
        int left = left("reward.held-out", "pairs", pairs, config.reward().heldOut());
        yield counted(
            stage,
            "pairs",
            left,
            config.reward().heldOut(),
            config.reward().totalSteps(left),
            config.reward().batchSize());
      }
      case PPO -> {
        PpoConfig ppo = config.ppo();
        checkRoom("ppo.generation.max-new-tokens", ppo.generation().maxNewTokens());
        checkRoom(
            "ppo.evaluation.generation.max-new-tokens",
            ppo.evaluation().generation().maxNewTokens());
        int prompts = StageData.prompts(data, config.seed(), reading()).size();
        int held = ppo.evaluation().heldOut();
        int left = left("ppo.evaluation.held-out", "prompts", prompts, held);
        if (left < ppo.promptsPerIteration()) {
          throw new DataException(
              "ppo.prompts-per-iteration is "
                  + ppo.promptsPerIteration()
                  + " and the data have "
                  + left
                  + " prompts without those held out; lower it or give more data");
        }
        yield counted(stage, "prompts", left, held, ppo.iterations(), ppo.promptsPerIteration());
      }
      case DPO -> {
        checkRoom(
            "dpo.evaluation.generation.max-new-tokens",
            config.dpo().evaluation().generation().maxNewTokens());
        int pairs = StageData.preferences(data, config.seed(), reading()).size();
        int left = left("dpo.held-out", "pairs", pairs, config.dpo().heldOut());
        int prompts =
            data.prompts().isEmpty()
                ? pairs
                : StageData.prompts(data, config.seed(), reading()).size();
        left("dpo.evaluation.held-out", "prompts", prompts, config.dpo().evaluation().heldOut());
        yield counted(
            stage,
            "pairs",
            left,
            config.dpo().heldOut(),
            config.dpo().totalSteps(left),
            config.dpo().batchSize());
      }
    };
  }

  private RunForecast.Stage imitatedRecords(
      PipelineConfig.Stage stage, SftConfig sft, DataConfig data) {
    int texts = StageData.sft(data, config.seed(), reading()).size();
    int left = left(section(stage) + ".held-out", "texts", texts, sft.heldOut());
    return counted(stage, "texts", left, sft.heldOut(), sft.totalSteps(left), sft.batchSize());
  }

  /** An answer must fit into the new model's context, whatever its tokenizer will be. */
  private void checkRoom(String key, int newTokens) {
    if (config.stages().contains(PipelineConfig.Stage.PRETRAIN)) {
      int context = config.pretrain().model().contextLength();
      int most = config.data().maxTokens() == 0 ? context : config.data().maxTokens();
      if (newTokens >= most) {
        throw new DataException(
            key
                + " is "
                + newTokens
                + " and leaves no room for a prompt: "
                + (config.data().maxTokens() == 0
                    ? "pretrain.model.context-length is " + context
                    : "data.max-tokens is " + most)
                + "; allowed: at most "
                + (most - 1));
      }
    }
  }

  private static int left(String key, String what, int count, int heldOut) {
    if (heldOut >= count) {
      throw new DataException(
          key
              + " is "
              + heldOut
              + " and the data have "
              + count
              + " "
              + what
              + "; at least one must be left to train on: lower it or give more data");
    }
    return count - heldOut;
  }

  private static RunForecast.Stage counted(
      PipelineConfig.Stage stage, String what, int left, int heldOut, int steps, int perStep) {
    return new RunForecast.Stage(
        stage,
        what,
        left,
        OptionalInt.of(heldOut),
        Map.of(),
        steps,
        perStep,
        OptionalLong.empty(),
        OptionalInt.empty());
  }

  private static String section(PipelineConfig.Stage stage) {
    return stage == PipelineConfig.Stage.PRETRAIN ? "pretrain.training" : stage.key();
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
