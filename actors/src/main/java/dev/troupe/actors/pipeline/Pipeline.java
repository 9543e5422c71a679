package dev.troupe.actors.pipeline;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.role.Fence;
import dev.troupe.actors.role.RunFilesException;
import dev.troupe.actors.shortage.Headroom;
import dev.troupe.actors.shortage.Shortage;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.tokenizer.TokenizerFiles;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.event.EventLog;
import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RunCompleted;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.RunPage;
import dev.troupe.protocol.event.RunStarted;
import dev.troupe.protocol.event.StageCompleted;
import dev.troupe.protocol.event.StageStarted;
import dev.troupe.protocol.message.Node;
import dev.troupe.rewards.GivenEnvironments;
import dev.troupe.rewards.OutsideScorers;
import dev.troupe.rlhf.data.DataConfig;
import dev.troupe.rlhf.data.Reading;
import dev.troupe.rlhf.data.StageData;
import dev.troupe.rlhf.environment.Environments;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.quickstart.Quickstart;
import dev.troupe.rlhf.quickstart.QuickstartFiles;
import dev.troupe.rlhf.recipe.ModelStart;
import dev.troupe.rlhf.recipe.Oracle;
import dev.troupe.rlhf.recipe.Recipe;
import dev.troupe.rlhf.recipe.StageContext;
import dev.troupe.rlhf.recipe.StageInputs;
import dev.troupe.rlhf.recipe.StageResult;
import dev.troupe.rlhf.recipe.TuningConfig;
import dev.troupe.rlhf.reward.Scorers;
import dev.troupe.rlhf.stage.ConfiguredStage;
import dev.troupe.rlhf.stage.NewModel;
import dev.troupe.rlhf.stage.Stage;
import dev.troupe.rlhf.stage.StageSetting;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Runs the stages of a configuration in order, each recipe in the run's own thread, its roles as
 * actors.
 */
public final class Pipeline {
  private final PipelineConfig config;
  private final RunDirectory directory;
  private final AtomicBoolean cancelled;
  private final EventLog log;
  private final Scorers scorers;
  private final Environments environments;
  private final Ensemble ensemble;
  private final RunRecorder recorder;
  private final RunCheckpoints checkpoints;
  private final RunSummary summary;
  private final Fence fence;

  private Pipeline(
      PipelineConfig config,
      RunDirectory directory,
      AtomicBoolean cancelled,
      EventLog log,
      Ensemble ensemble,
      Fence fence,
      RunRequest request) {
    this.config = config;
    this.scorers = new OutsideScorers(request.functions());
    this.environments = GivenEnvironments.all(request.environments());
    this.ensemble = ensemble;
    this.directory = directory;
    this.cancelled = cancelled;
    this.log = log;
    this.recorder = new RunRecorder(log, directory, request.listener(), cancelled);
    this.checkpoints = new RunCheckpoints(directory.path(), config.checkpoints(), fence);
    this.fence = fence;
    this.summary = new RunSummary(config, directory);
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
    checkThreads();
    PipelineConfig config = request.config();
    RunForecast forecast =
        request
            .forecast()
            .orElseGet(
                () ->
                    RunForecast.of(
                        config, purpose, line -> {}, request.functions(), request.environments()));
    RunDirectory directory = new RunDirectory(Path.of(config.output()));
    RunIdentity identity = RunIdentity.of(config);
    AtomicBoolean cancelled = new AtomicBoolean();
    CompletableFuture<RunResult> result = new CompletableFuture<>();
    // The log outlives the actors, who write to it until they end; and no other run has it open.
    EventLog log = EventLog.open(directory.events());
    Optional<RunPage> page;
    RunState state;
    Fence fence;
    try {
      state = RunState.of(directory.path());
      Optional<String> refusal = state.refusal(purpose);
      if (refusal.isPresent()) {
        throw new PipelineException(refusal.get());
      }
      fence = Fence.take(directory.path(), driver());
      log.guardedBy(fence::check);
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
        new RunHandle(
            cancelled,
            result,
            log.sequence(),
            directory,
            page.map(RunPage::url),
            text -> told(log, text));
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
                      new Pipeline(config, directory, cancelled, log, ensemble, fence, request)
                          .run(request.text(), state, forecast.notices());
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

  private static boolean told(EventLog log, String text) {
    try {
      log.append(
          RunEvent.newBuilder()
              .setNotice(Notice.newBuilder().setSeverity("warning").setText(text)));
      return true;
    } catch (IllegalStateException | RunFilesException e) {
      // The run has ended, or another has taken it over.
      return false;
    }
  }

  /** This process, for people. */
  private static String driver() {
    String host;
    try {
      host = InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      host = "this host";
    }
    return String.format(
        Locale.ROOT,
        "process %d on %s, since %s",
        ProcessHandle.current().pid(),
        host,
        Instant.now().truncatedTo(ChronoUnit.SECONDS));
  }

  /** A run that embeds this finds out here, and not in the middle of what it does. */
  private static void checkThreads() {
    try {
      Headroom.forThreads();
    } catch (OutOfMemoryError e) {
      throw new PipelineException(Shortage.of(e).orElse(String.valueOf(e.getMessage())), e);
    }
  }

  /** What a run that is complete came to. */
  private static RunResult earlier(PipelineConfig config, RunDirectory directory) {
    RunCheckpoints checkpoints = new RunCheckpoints(directory.path(), config.checkpoints());
    Map<String, StageResult> results = new LinkedHashMap<>();
    for (Stage<?> stage : config.stages()) {
      checkpoints
          .completed(stage.name(), directory.trained(stage), stage.result())
          .ifPresent(done -> results.put(stage.name(), done.result()));
    }
    return new RunResult(
        RunResult.COMPLETED,
        directory.path(),
        Collections.unmodifiableMap(results),
        directory.readSummary().orElse(""));
  }

  private RunResult run(String configuration, RunState before, Map<String, String> notices)
      throws IOException {
    log.append(
        RunEvent.newBuilder()
            .setRunStarted(
                RunStarted.newBuilder()
                    .setRun(String.valueOf(directory.path().getFileName()))
                    .addAllStages(config.stages().stream().map(Stage::name).toList())
                    .setConfiguration(configuration)
                    .setProtocolVersion(Node.PROTOCOL_VERSION)
                    .setResumed(before.holdsTraining())));
    notices.forEach(recorder::notice);
    try {
      recorder.resume(
          stage -> checkpoints.isComplete(stage) ? Long.MAX_VALUE : checkpoints.step(stage));
      boolean complete =
          stages(
              ensemble.cast(
                  config.placement(),
                  config.cluster().replicas(),
                  config.cluster().exchanging(),
                  Duration.ofSeconds(config.cluster().joinTimeoutSeconds()),
                  Duration.ofSeconds(config.cluster().requestTimeoutSeconds()),
                  new Node.Terms(fence.number(), config.cluster().silenceSeconds() * 1000L),
                  this::happened));
      return ended(complete ? RunResult.COMPLETED : RunResult.CANCELLED);
    } catch (RuntimeException | Error | IOException e) {
      boolean recovers = !cancelled.get() && ensemble.recovers();
      if (!recovers) {
        writeFailure(e);
      }
      log.append(
          RunEvent.newBuilder()
              .setRunCompleted(
                  RunCompleted.newBuilder()
                      .setOutcome(recovers ? RunResult.RECOVERING : RunResult.FAILED)
                      .setMessage(String.valueOf(e.getMessage()))));
      throw e;
    }
  }

  /** A disk that is full is no reason to lose the first failure. */
  private void writeFailure(Throwable failure) {
    try {
      fence.check();
      directory.writeSummary(
          json(RunResult.FAILED, Optional.of(String.valueOf(failure.getMessage()))));
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
    String json = json(outcome, Optional.empty());
    fence.check();
    directory.writeSummary(json);
    log.append(
        RunEvent.newBuilder()
            .setRunCompleted(RunCompleted.newBuilder().setOutcome(outcome).setSummaryJson(json)));
    return new RunResult(outcome, directory.path(), summary.results(), json);
  }

  private String json(String outcome, Optional<String> failure) throws IOException {
    return summary.json(outcome, recorder.phaseSeconds(), failure);
  }

  /**
   * Each stage from what those before it handed on: at first from the model, or where the run
   * starts.
   *
   * @return whether all ran to their end
   */
  private boolean stages(Cast cast) throws IOException {
    DataConfig data = data();
    String model = config.model().orElse("");
    StartPoints start = new StartPoints(config);
    ModelStart policy = start.policy();
    ModelStart reward = start.reward();
    for (ConfiguredStage<?> stage : config.run()) {
      if (cancelled.get()) {
        return false;
      }
      try {
        if (stage.newModel().isPresent()) {
          model = fresh(stage, stage.newModel().get(), data).toString();
          policy = new ModelStart(model, Optional.empty());
        }
        if (!takenOver(stage.stage())) {
          try (ModelText text = ModelText.load(Path.of(model), data.chatTemplate())) {
            recorder.speaks(text);
            StageInputs inputs =
                new StageInputs(
                    data, text, config.seed(), reading(stage.name()), scorers, environments);
            if (!run(stage, cast, new StageSetting(inputs, policy, reward, oracle()))) {
              return false;
            }
          }
        }
      } catch (Reading.Cancelled e) {
        return false;
      }
      String trained = directory.trained(stage.stage()).toString();
      switch (stage.gives()) {
        case MODEL -> {
          model = trained;
          policy = new ModelStart(model, Optional.empty());
          reward = policy;
        }
        case POLICY -> {
          linkPolicy(stage.stage());
          policy = after(stage, model, trained);
        }
        case REWARD_MODEL -> reward = after(stage, model, trained);
      }
    }
    return true;
  }

  /** Reading tells in the run's notices how far it is, and ends when the run is cancelled. */
  private Reading reading(String stage) {
    return new Reading(line -> recorder.notice("info", stage, line), cancelled::get);
  }

  private void linkPolicy(Stage<?> stage) {
    if (!directory.linkPolicy(stage)) {
      recorder.notice(
          "warning",
          stage.name(),
          "no link 'policy' could be made: the newest policy is in " + directory.trained(stage));
    }
  }

  /** Whether the run that is resumed completed the stage. */
  private boolean takenOver(Stage<?> stage) {
    var done = checkpoints.completed(stage.name(), directory.trained(stage), stage.result());
    done.ifPresent(
        earlier -> {
          summary.add(stage, earlier.result(), earlier.seconds());
          recorder.notice("info", stage.name(), "done before, taken over");
        });
    return done.isPresent();
  }

  /**
   * Runs or goes on with a stage.
   *
   * @return whether it ran to its end
   */
  private boolean run(ConfiguredStage<?> configured, Cast cast, StageSetting setting) {
    Stage<?> stage = configured.stage();
    String name = stage.name();
    Numerics numerics = config.engine().numerics();
    StageContext context =
        new StageContext(
            name,
            cast,
            // Other stages compare no log-probability with a sampled one.
            numerics.exact(numerics.exact() && configured.isOnPolicy()),
            config.rollouts(),
            recorder,
            checkpoints,
            directory.trained(stage).toString(),
            config.seed(),
            config.limits().skippedUpdates());
    Recipe recipe = configured.recipe(setting);
    log.append(
        RunEvent.newBuilder()
            .setStageStarted(
                StageStarted.newBuilder().setStage(name).setTotalSteps(recipe.totalSteps())));
    setting.inputs().reports().forEach(report -> recorder.notice("info", name, report));
    if (checkpoints.step(name) > 0) {
      recorder.notice("info", name, "goes on after step " + checkpoints.step(name));
    }
    checkpoints.begins(name);
    StageResult result = recipe.run(context);
    recorder.stageEnds(name);
    double took = checkpoints.seconds();
    summary.add(stage, result, took);
    if (result.failure().isPresent()) {
      throw new PipelineException(result.failure().get());
    }
    if (result.cancelled()) {
      return false;
    }
    config
        .data()
        .chatTemplate()
        .ifPresent(file -> handOnTemplate(Path.of(file), directory.trained(stage)));
    checkpoints.complete(name, directory.trained(stage), result);
    log.append(
        RunEvent.newBuilder()
            .setStageCompleted(
                StageCompleted.newBuilder()
                    .setStage(name)
                    .setSeconds(took)
                    .putAllResults(RunSummary.numbers(result))));
    return true;
  }

  /** What was trained speaks by the template that it was trained with. */
  private static void handOnTemplate(Path file, Path trained) {
    for (Path directory : List.of(trained, trained.resolve("ema"))) {
      if (Files.isDirectory(directory)) {
        TokenizerFiles.writeChatTemplate(file, directory);
      }
    }
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

  /** From the role that a stage left: the whole of it, or an adapter on the model. */
  private static ModelStart after(ConfiguredStage<?> stage, String model, String trained) {
    return stage.tuning().filter(tuning -> tuning instanceof TuningConfig.Full).isPresent()
        ? new ModelStart(trained, Optional.empty())
        : new ModelStart(model, Optional.of(trained));
  }

  private Path fresh(ConfiguredStage<?> stage, NewModel made, DataConfig data) throws IOException {
    return BaseModel.fresh(
        directory,
        made.shape(),
        () -> StageData.sft(data, config.seed(), reading(stage.name())),
        config.seed());
  }
}
