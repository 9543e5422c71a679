package dev.troupe.actors.pipeline;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.checkpoint.DurableFiles;
import dev.troupe.models.fresh.FreshModel;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.RunCompleted;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.RunPage;
import dev.troupe.protocol.event.RunStarted;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StageStarted;
import dev.troupe.protocol.message.Node;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.DataRecord;
import dev.troupe.rlhf.data.Reading;
import dev.troupe.rlhf.data.StageData;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.quickstart.Quickstart;
import dev.troupe.rlhf.quickstart.QuickstartFiles;
import dev.troupe.rlhf.recipe.DpoRecipe;
import dev.troupe.rlhf.recipe.ModelInitConfig;
import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.Oracle;
import dev.troupe.rlhf.recipe.PpoRecipe;
import dev.troupe.rlhf.recipe.PpoStart;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.RewardModelRecipe;
import dev.troupe.rlhf.recipe.SftRecipe;
import dev.troupe.rlhf.recipe.StageContext;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Runs the stages of a configuration in order, each recipe in the run's own thread, its roles as
 * actors.
 */
public final class Pipeline {
  private final PipelineConfig config;
  private final RunDirectory directory;
  private final AtomicBoolean cancelled;
  private final EventLog log;
  private final Ensemble ensemble;
  private final RunRecorder recorder;
  private final RunCheckpoints checkpoints;
  private final Map<String, StageResult> results = new LinkedHashMap<>();
  private final Map<String, Double> seconds = new LinkedHashMap<>();

  private Pipeline(
      PipelineConfig config,
      RunDirectory directory,
      AtomicBoolean cancelled,
      EventLog log,
      Ensemble ensemble,
      StepListener listener) {
    this.config = config;
    this.ensemble = ensemble;
    this.directory = directory;
    this.cancelled = cancelled;
    this.log = log;
    this.recorder = new RunRecorder(log, directory, listener, cancelled);
    this.checkpoints = new RunCheckpoints(directory.path(), config.checkpoints());
  }

  /** Starts a run without a listener. */
  public static RunHandle start(PipelineConfig config) {
    return start(config, "", StepListener.NONE);
  }

  /**
   * Starts a run in this JVM.
   *
   * @param configuration the effective configuration as text, kept beside the run
   * @param listener hears of each step
   * @throws PipelineException when the output directory is not free, or anything else is found that
   *     would stop the run later
   */
  public static RunHandle start(
      PipelineConfig config, String configuration, StepListener listener) {
    return start(RunRequest.of(config, configuration).listener(listener));
  }

  /** As requested; see {@link #start(PipelineConfig, String, StepListener)}. */
  public static RunHandle start(RunRequest request) {
    return start(request, RunForecast.Purpose.START);
  }

  /**
   * Goes on with a run that was stopped, from its last checkpoint, in this JVM. Its result is the
   * one that it would have had. Of a complete run, the result is there at once.
   *
   * @throws PipelineException when the output directory holds no such run, or what it trained
   *     depended on something that has changed
   */
  public static RunHandle resume(
      PipelineConfig config, String configuration, StepListener listener) {
    return resume(RunRequest.of(config, configuration).listener(listener));
  }

  /** As requested; see {@link #resume(PipelineConfig, String, StepListener)}. */
  public static RunHandle resume(RunRequest request) {
    return start(request, RunForecast.Purpose.RESUME);
  }

  private static RunHandle start(RunRequest request, RunForecast.Purpose purpose) {
    PipelineConfig config = request.config();
    RunForecast forecast = request.forecast().orElseGet(() -> RunForecast.of(config, purpose));
    RunDirectory directory = new RunDirectory(Path.of(config.output()));
    RunIdentity identity = RunIdentity.of(config);
    AtomicBoolean cancelled = new AtomicBoolean();
    CompletableFuture<RunResult> result = new CompletableFuture<>();
    // The log outlives the actors, who write to it until they end; and no other run has it open.
    EventLog log = EventLog.open(directory.events());
    Optional<RunPage> page;
    RunState state;
    try {
      state = RunState.of(directory.path());
      Optional<String> refusal = state.refusal(purpose);
      if (refusal.isPresent()) {
        throw new PipelineException(refusal.get());
      }
      if (state.holdsTraining()) {
        directory.goOn(request.text(), identity, state, config.stages());
      } else {
        directory.begin(request.text(), identity);
      }
      if (forecast.complete()) {
        result.complete(earlier(config, directory));
      }
      page =
          request
              .page()
              .filter(opener -> config.dashboard().enabled() && !forecast.complete())
              .map(
                  opener ->
                      opener.open(
                          directory.path(), config.dashboard().host(), config.dashboard().port()));
    } catch (RuntimeException e) {
      log.close();
      throw e;
    }
    RunHandle handle =
        new RunHandle(cancelled, result, log.sequence(), directory, page.map(RunPage::url));
    if (forecast.complete()) {
      log.close();
      return handle;
    }
    Thread thread =
        new Thread(
            () -> {
              RunResult finished = null;
              Throwable failure = null;
              try (log) {
                try (Ensemble ensemble =
                    request
                        .seed()
                        .orElseGet(
                            () -> Ensemble.local(HybridEngines.on(config.engine().device())))) {
                  finished =
                      new Pipeline(config, directory, cancelled, log, ensemble, request.listener())
                          .run(request.text(), state);
                }
              } catch (RuntimeException | Error | IOException e) {
                failure = e;
              }
              page.ifPresent(RunPage::close);
              if (failure == null) {
                result.complete(finished);
              } else {
                result.completeExceptionally(failure);
              }
            },
            "troupe-run");
    thread.setDaemon(true);
    thread.start();
    return handle;
  }

  /** What a run that is complete came to. */
  private static RunResult earlier(PipelineConfig config, RunDirectory directory) {
    RunCheckpoints checkpoints = new RunCheckpoints(directory.path(), config.checkpoints());
    Map<String, StageResult> results = new LinkedHashMap<>();
    for (PipelineConfig.Stage stage : config.stages()) {
      checkpoints
          .completed(name(stage), directory.trained(stage), resultOf(stage))
          .ifPresent(done -> results.put(name(stage), done.result()));
    }
    return new RunResult(
        RunResult.COMPLETED,
        directory.path(),
        Collections.unmodifiableMap(results),
        directory.readSummary().orElse(""));
  }

  private RunResult run(String configuration, RunState before) throws IOException {
    log.append(
        RunEvent.newBuilder()
            .setRunStarted(
                RunStarted.newBuilder()
                    .setRun(String.valueOf(directory.path().getFileName()))
                    .addAllStages(config.stages().stream().map(Pipeline::name).toList())
                    .setConfiguration(configuration)
                    .setProtocolVersion(Node.PROTOCOL_VERSION)
                    .setResumed(before.holdsTraining())));
    try {
      recorder.resume(
          stage -> checkpoints.isComplete(stage) ? Long.MAX_VALUE : checkpoints.step(stage));
      boolean complete =
          stages(
              ensemble.cast(
                  config.cluster().placement(),
                  Duration.ofSeconds(config.cluster().joinTimeoutSeconds()),
                  Duration.ofSeconds(config.cluster().requestTimeoutSeconds()),
                  this::happened));
      return ended(complete ? RunResult.COMPLETED : RunResult.CANCELLED);
    } catch (RuntimeException | Error | IOException e) {
      writeFailure(e);
      log.append(
          RunEvent.newBuilder()
              .setRunCompleted(
                  RunCompleted.newBuilder()
                      .setOutcome(RunResult.FAILED)
                      .setMessage(String.valueOf(e.getMessage()))));
      throw e;
    }
  }

  /** A disk that is full is no reason to lose the first failure. */
  private void writeFailure(Throwable failure) {
    try {
      directory.writeSummary(
          summary(RunResult.FAILED, Optional.of(String.valueOf(failure.getMessage()))));
    } catch (RuntimeException | IOException e) {
      failure.addSuppressed(e);
    }
  }

  /** From the actors: roles and members. */
  private void happened(RunEvent.Builder event) {
    recorder.heard(event);
    log.append(event);
  }

  private RunResult ended(String outcome) throws IOException {
    String summary = summary(outcome, Optional.empty());
    directory.writeSummary(summary);
    log.append(
        RunEvent.newBuilder()
            .setRunCompleted(
                RunCompleted.newBuilder().setOutcome(outcome).setSummaryJson(summary)));
    return new RunResult(outcome, directory.path(), Collections.unmodifiableMap(results), summary);
  }

  /**
   * SFT from the base or where the run starts; the reward model likewise; PPO and DPO from the
   * newest policy.
   *
   * @return whether all ran to their end
   */
  private boolean stages(Cast cast) throws IOException {
    DataConfig data = data();
    String model = config.model().orElse("");
    StartPoints start = new StartPoints(config);
    ModelStart policy = start.policy();
    ModelStart reward = start.reward();
    for (PipelineConfig.Stage stage : config.stages()) {
      if (cancelled.get()) {
        return false;
      }
      if (stage == PipelineConfig.Stage.PRETRAIN) {
        try {
          model = fresh(data).toString();
        } catch (Reading.Cancelled e) {
          return false;
        }
        policy = new ModelStart(model, Optional.empty());
      }
      if (!takenOver(stage)) {
        try (ModelText text = ModelText.load(Path.of(model))) {
          recorder.speaks(text);
          StageInputs inputs = new StageInputs(data, text, config.seed(), reading(name(stage)));
          if (!run(stage, cast, inputs, policy, reward)) {
            return false;
          }
        } catch (Reading.Cancelled e) {
          return false;
        }
      }
      String trained = directory.trained(stage).toString();
      linkPolicy(stage);
      switch (stage) {
        case PRETRAIN -> {
          model = trained;
          policy = new ModelStart(model, Optional.empty());
          reward = policy;
        }
        case SFT -> {
          policy = after(config.sft().tuning(), model, trained);
          if (reward.model().isEmpty()) {
            reward = new ModelStart(model, Optional.empty());
          }
        }
        case REWARD -> reward = after(config.reward().tuning(), model, trained);
        case PPO -> policy = after(config.ppo().policy().tuning(), model, trained);
        case DPO -> policy = after(config.dpo().tuning(), model, trained);
      }
    }
    return true;
  }

  /** Reading tells in the run's notices how far it is, and ends when the run is cancelled. */
  private Reading reading(String stage) {
    return new Reading(line -> recorder.notice("info", stage, line), cancelled::get);
  }

  private void linkPolicy(PipelineConfig.Stage stage) {
    boolean trainsPolicy =
        switch (stage) {
          case SFT, PPO, DPO -> true;
          case PRETRAIN, REWARD -> false;
        };
    if (trainsPolicy && !directory.linkPolicy(stage)) {
      recorder.notice(
          "warning",
          name(stage),
          "no link 'policy' could be made: the newest policy is in " + directory.trained(stage));
    }
  }

  /** Whether the run that is resumed completed the stage. */
  private boolean takenOver(PipelineConfig.Stage stage) {
    var done = checkpoints.completed(name(stage), directory.trained(stage), resultOf(stage));
    done.ifPresent(
        earlier -> {
          results.put(name(stage), earlier.result());
          seconds.put(name(stage), earlier.seconds());
          recorder.notice("info", name(stage), "done before, taken over");
        });
    return done.isPresent();
  }

  private static Class<? extends StageResult> resultOf(PipelineConfig.Stage stage) {
    return switch (stage) {
      case PRETRAIN, SFT -> SftRecipe.Result.class;
      case REWARD -> RewardModelRecipe.Result.class;
      case PPO -> PpoRecipe.Result.class;
      case DPO -> DpoRecipe.Result.class;
    };
  }

  /**
   * Runs or goes on with a stage.
   *
   * @return whether it ran to its end
   */
  private boolean run(
      PipelineConfig.Stage stage,
      Cast cast,
      StageInputs inputs,
      ModelStart policy,
      ModelStart reward) {
    StageContext context =
        new StageContext(
            name(stage),
            cast,
            config.engine().numerics(),
            recorder,
            checkpoints,
            directory.trained(stage).toString(),
            config.seed(),
            config.limits().skippedUpdates());
    Recipe recipe = recipe(stage, inputs, policy, reward);
    log.append(
        RunEvent.newBuilder()
            .setStageStarted(
                StageStarted.newBuilder()
                    .setStage(name(stage))
                    .setTotalSteps(recipe.totalSteps())));
    inputs.reports().forEach(report -> recorder.notice("info", name(stage), report));
    if (checkpoints.step(name(stage)) > 0) {
      recorder.notice("info", name(stage), "goes on after step " + checkpoints.step(name(stage)));
    }
    checkpoints.begins(name(stage));
    StageResult result = recipe.run(context);
    recorder.stageEnds(name(stage));
    double took = checkpoints.seconds();
    results.put(name(stage), result);
    seconds.put(name(stage), took);
    if (result.failure().isPresent()) {
      throw new PipelineException(result.failure().get());
    }
    if (result.cancelled()) {
      return false;
    }
    checkpoints.complete(name(stage), directory.trained(stage), result);
    log.append(
        RunEvent.newBuilder()
            .setStageCompleted(
                StageCompleted.newBuilder()
                    .setStage(name(stage))
                    .setSeconds(took)
                    .putAllResults(numbers(result))));
    return true;
  }

  private Recipe recipe(
      PipelineConfig.Stage stage, StageInputs inputs, ModelStart policy, ModelStart reward) {
    return switch (stage) {
      case PRETRAIN ->
          new SftRecipe(
              config.pretrain().training(),
              policy,
              inputs.sft("pretrain.training", config.pretrain().training()));
      case SFT -> new SftRecipe(config.sft(), policy, inputs.sft("sft", config.sft()));
      case REWARD ->
          new RewardModelRecipe(config.reward(), reward, inputs.rewardModel(config.reward()));
      case PPO ->
          new PpoRecipe(
              config.ppo(), new PpoStart(policy, reward), inputs.ppo(config.ppo()), oracle());
      case DPO ->
          new DpoRecipe(
              config.dpo(),
              policy,
              inputs.dpo(config.dpo()),
              inputs.dpoPrompts(config.dpo()),
              oracle());
    };
  }

  private DataConfig data() throws IOException {
    return config.quickstart().isPresent()
        ? QuickstartFiles.write(
            directory.path().resolve("data"), config.quickstart().get(), config.data())
        : config.data();
  }

  private Optional<Oracle> oracle() {
    return config.quickstart().map(made -> Quickstart.oracle());
  }

  private static ModelStart after(TuningConfig tuning, String model, String trained) {
    return tuning instanceof TuningConfig.Full
        ? new ModelStart(trained, Optional.empty())
        : new ModelStart(model, Optional.of(trained));
  }

  /**
   * The checkpoint with random weights that pre-training starts from; there whole or not at all.
   */
  private Path fresh(DataConfig data) throws IOException {
    Path fresh = directory.fresh();
    if (!Files.exists(fresh)) {
      Path writing = directory.path().resolve("fresh.writing");
      fresh(config.pretrain().model())
          .write(
              writing,
              corpus(StageData.sft(data, config.seed(), reading("pretrain"))),
              config.seed());
      DurableFiles.syncTree(writing);
      DurableFiles.rename(writing, fresh);
    }
    return fresh;
  }

  private static FreshModel fresh(ModelInitConfig shape) {
    return new FreshModel(
        shape.hiddenSize(),
        shape.layers(),
        shape.heads(),
        shape.kvHeads(),
        shape.intermediateSize(),
        shape.vocabSize(),
        shape.contextLength(),
        shape.initialStandardDeviation());
  }

  /** The texts that a tokenizer is trained on. */
  private static List<String> corpus(List<DataRecord> records) {
    List<String> texts = new ArrayList<>();
    for (DataRecord record : records) {
      if (record instanceof DataRecord.PlainText plain) {
        texts.add(plain.text());
      } else if (record instanceof DataRecord.Completion completion) {
        texts.add(completion.completion());
      } else if (record instanceof DataRecord.Preference preference) {
        texts.add(preference.chosen());
      } else if (record instanceof DataRecord.Dialogue dialogue) {
        texts.add(
            dialogue.messages().stream()
                .map(ChatMessage::content)
                .collect(Collectors.joining("\n")));
      }
    }
    return texts;
  }

  private String summary(String outcome, Optional<String> failure) throws IOException {
    List<Map<String, @Nullable Object>> stages = new ArrayList<>();
    Map<String, Map<String, Double>> phases = recorder.phaseSeconds();
    results.forEach(
        (stage, result) -> {
          Map<String, @Nullable Object> entry = new LinkedHashMap<>();
          entry.put("stage", stage);
          entry.put("seconds", seconds.get(stage));
          trained(stage).ifPresent(trained -> entry.put("trained", trained));
          entry.put("phaseSeconds", phases.getOrDefault(stage, Map.of()));
          if (PlainJson.of(result) instanceof Map<?, ?> plain) {
            plain.forEach((key, value) -> entry.put(String.valueOf(key), value));
          }
          stages.add(entry);
        });
    Map<String, @Nullable Object> summary = new LinkedHashMap<>();
    summary.put("outcome", outcome);
    failure.ifPresent(why -> summary.put("failure", why));
    summary.put("seed", config.seed());
    summary.put("seconds", seconds.values().stream().mapToDouble(Double::doubleValue).sum());
    ResidentMemory.peakBytes().ifPresent(bytes -> summary.put("peakResidentBytes", bytes));
    summary.put("stages", stages);
    return new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(summary) + "\n";
  }

  /** Where the stage's role lies in the run's directory, once it is there. */
  private Optional<String> trained(String stage) {
    Path trained = directory.trained(PipelineConfig.Stage.valueOf(stage.toUpperCase(Locale.ROOT)));
    return Files.exists(trained)
        ? Optional.of(directory.path().relativize(trained).toString())
        : Optional.empty();
  }

  /** The plain numbers of a result record. */
  private static Map<String, Double> numbers(StageResult result) {
    Map<String, Double> numbers = new LinkedHashMap<>();
    if (PlainJson.of(result) instanceof Map<?, ?> plain) {
      plain.forEach(
          (key, value) -> {
            // A number that is not finite is null by now, and so absent.
            if (value instanceof Number number) {
              numbers.put(String.valueOf(key), number.doubleValue());
            }
          });
    }
    return numbers;
  }

  private static String name(PipelineConfig.Stage stage) {
    return stage.name().toLowerCase(Locale.ROOT);
  }
}
