package dev.troupe.launcher;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.shortage.Headroom;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.dashboard.DashboardServer;
import dev.troupe.dashboard.RunFollower;
import dev.troupe.dashboard.tensorboard.TensorBoardWriter;
import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.generation.Operators;
import dev.troupe.models.torch.Device;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Storage;
import dev.troupe.rlhf.stage.ConfiguredStage;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;

/**
 * One run as a person at a terminal has it: memory plan, dashboard, progress, Ctrl-C, and what came
 * out.
 */
final class RunSession {
  /** How the run comes to life: in this JVM, or on the nodes of a cluster. */
  interface Starter {
    /**
     * @param resume whether it goes on from its last checkpoint
     */
    RunHandle start(RunRequest request, boolean resume);

    /** Whether a run that has just failed is to be taken up again at once; then what to tell. */
    default Optional<String> again() throws InterruptedException {
      return Optional.empty();
    }
  }

  private final CommandSpec spec;
  private final boolean json;
  private final Interrupts.Source wishes;

  RunSession(CommandSpec spec, boolean json) {
    this(spec, json, Interrupts.SIGNALS);
  }

  /**
   * @param wishes where it is heard that the run is to stop
   */
  RunSession(CommandSpec spec, boolean json, Interrupts.Source wishes) {
    this.spec = spec;
    this.json = json;
    this.wishes = wishes;
  }

  /** Where people are told of progress; standard output is kept for JSON when that is asked for. */
  PrintWriter out() {
    return json ? spec.commandLine().getErr() : spec.commandLine().getOut();
  }

  /**
   * Runs to the end; the exit code.
   *
   * @param here the device of this machine that computes, or nothing where others compute
   * @param alone whether it is this JVM that computes
   */
  int follow(
      ConfigurationLoader.Loaded<PipelineConfig> loaded,
      boolean resume,
      Optional<Device> here,
      boolean alone,
      Starter starter)
      throws InterruptedException, IOException {
    Headroom.forThreads();
    PipelineConfig config = loaded.value();
    PrintWriter out = out();
    Device device = here.orElse(Device.cuda(0));
    RunForecast forecast =
        RunForecast.of(
            config, resume ? RunForecast.Purpose.RESUME : RunForecast.Purpose.START, this::tell);
    RunRequest request = RunRequest.of(config, loaded.text()).checked(forecast);
    if (forecast.complete()) {
      return complete(Pipeline.resume(request).result().join());
    }
    DashboardPort port = DashboardPort.of(loaded);
    MemoryPlan plan = RunMemory.of(forecast, device);
    OptionalLong available =
        here.isPresent()
            ? OptionalLong.of(MachineMemory.availableBytes(device))
            : OptionalLong.empty();
    available.ifPresent(plan::check);
    out.println("memory: " + plan.summary(available));
    if (device.isCuda()) {
      out.println("device: " + device);
    }
    DeviceAdvice.of(config.engine().device(), device).ifPresent(out::println);
    Numerics numerics = config.engine().numerics();
    boolean widen = false;
    if (alone && !device.isCuda()) {
      Operators operators = HybridEngines.operators(numerics);
      out.println("kernels: " + operators.describe());
      widen = operators.widen();
    }
    if (!device.isCuda() && !widen && numerics.precision() == Storage.BF16) {
      ProcessorFeatures.ofThisMachine().warning().ifPresent(out::println);
    }
    Path directory = Path.of(config.output());
    RunHandle handle = starter.start(request, resume);
    Progress progress = Progress.onStandardOutput(out, !alone);
    Interrupts interrupts =
        new Interrupts(
            wishes,
            () -> {
              out.println("\nstopping at the next step (Ctrl-C again: at once)");
              out.flush();
              handle.cancel();
            });
    List<AutoCloseable> watchers = new ArrayList<>();
    RunResult result;
    try {
      if (config.dashboard().enabled()) {
        DashboardServer server = dashboard(config, port, directory, handle);
        watchers.add(server);
        port.notice().ifPresent(out::println);
        out.println("dashboard: " + server.url());
        out.flush();
      }
      watchers.add(TensorBoardWriter.start(directory));
      watchers.add(
          RunFollower.start(
              "progress",
              directory,
              events ->
                  events.stream()
                      .filter(event -> event.getSequence() > handle.eventsBefore())
                      .forEach(progress::accept)));
      result = handle.result().get();
    } catch (ExecutionException e) {
      close(watchers);
      watchers.clear();
      Optional<String> again = interrupts.interrupted() ? Optional.empty() : starter.again();
      if (again.isPresent()) {
        tell("recovering: " + reason(e));
        tell(again.get());
        interrupts.close();
        return follow(loaded, handle.holdsTraining(), here, alone, starter);
      }
      int code = UserErrors.report(e, spec.commandLine().getErr());
      spec.commandLine()
          .getErr()
          .println(
              handle.holdsTraining()
                  ? "what was done is kept; to go on: " + resumeCommand()
                  : "nothing was trained yet; run it again when that is mended");
      return code;
    } finally {
      close(watchers);
      interrupts.close();
    }
    if (json) {
      spec.commandLine().getOut().print(result.summaryJson());
      spec.commandLine().getOut().flush();
    } else {
      RunReport.print(
          result.summaryJson(),
          config.run().stream()
              .collect(Collectors.toMap(ConfiguredStage::name, ConfiguredStage::shownReplies)),
          out);
      String trained =
          handle.holdsTraining() ? ", events.pb and what was trained" : " and events.pb";
      out.println("\nleft in " + directory + ": summary.json" + trained);
      out.flush();
    }
    if (result.outcome().equals(RunResult.COMPLETED)) {
      if (!json) {
        NextSteps.print(
            OutputJson.mapper().readTree(result.summaryJson()), config.model(), directory, out);
      }
      return ExitCode.OK;
    }
    out.println(
        handle.holdsTraining()
            ? "stopped before its end; to go on: " + resumeCommand()
            : "stopped before anything was trained; run it again to start anew");
    out.flush();
    return interrupts.exitCode();
  }

  /** Why a run that goes on has failed, without what is said to whoever has to take it up. */
  private static String reason(ExecutionException failure) {
    Throwable cause = failure.getCause() == null ? failure : failure.getCause();
    return String.valueOf(cause.getMessage()).replaceAll("[.;] [Tt]he run can be resumed", "");
  }

  private String resumeCommand() {
    return resumeCommand(spec);
  }

  /** The command line that this is, with --resume. */
  static String resumeCommand(CommandSpec spec) {
    List<String> words = new ArrayList<>(LaunchCommand.typed(spec));
    words.remove("--resume");
    words.add("--resume");
    return Invocation.line(words.toArray(String[]::new));
  }

  private void tell(String line) {
    out().println(line);
    out().flush();
  }

  /** A run that is asked to go on and has no more to do. */
  private int complete(RunResult result) {
    out().println("the run in " + result.directory() + " is complete; there is nothing to resume");
    out().flush();
    if (json) {
      spec.commandLine().getOut().print(result.summaryJson());
      spec.commandLine().getOut().flush();
    }
    return ExitCode.OK;
  }

  private static DashboardServer dashboard(
      PipelineConfig config, DashboardPort port, Path directory, RunHandle handle) {
    try {
      return DashboardServer.start(directory, config.dashboard().host(), port.port());
    } catch (RuntimeException e) {
      handle.cancel();
      throw e;
    }
  }

  /** Each reads the events to the end first. */
  private static void close(List<AutoCloseable> watchers) {
    for (AutoCloseable watcher : watchers) {
      try {
        watcher.close();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
