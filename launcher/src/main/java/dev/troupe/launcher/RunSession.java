package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.dashboard.DashboardServer;
import dev.troupe.dashboard.RunFollower;
import dev.troupe.dashboard.tensorboard.TensorBoardWriter;
import dev.troupe.models.torch.Device;
import dev.troupe.protocol.data.Numerics;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import picocli.CommandLine.Model.CommandSpec;

/**
 * One run as a person at a terminal has it: memory plan, dashboard, progress, Ctrl-C, and what came
 * out.
 */
final class RunSession {
  /** How the run comes to life: in this JVM, or on the nodes of a cluster. */
  interface Starter {
    RunHandle start(PipelineConfig config, String configuration);
  }

  private final CommandSpec spec;
  private final boolean json;

  RunSession(CommandSpec spec, boolean json) {
    this.spec = spec;
    this.json = json;
  }

  /** Where people are told of progress; standard output is kept for JSON when that is asked for. */
  PrintWriter out() {
    return json ? spec.commandLine().getErr() : spec.commandLine().getOut();
  }

  /**
   * Runs to the end; the exit code.
   *
   * @param here the device of this machine that computes, or nothing where others compute
   */
  int follow(
      ConfigurationLoader.Loaded<PipelineConfig> loaded, Optional<Device> here, Starter starter)
      throws InterruptedException, IOException {
    PipelineConfig config = loaded.value();
    PrintWriter out = out();
    Device device = here.orElse(Device.cuda(0));
    MemoryPlan plan = RunOptions.memory(config, device);
    OptionalLong available =
        here.isPresent()
            ? OptionalLong.of(MachineMemory.availableBytes(device))
            : OptionalLong.empty();
    available.ifPresent(plan::check);
    out.println(plan.text(available));
    if (device.isCuda()) {
      out.println("device: " + device);
    }
    DeviceAdvice.of(config.engine().device(), device).ifPresent(out::println);
    if (!device.isCuda() && config.engine().numerics().precision() == Numerics.Precision.BF16) {
      ProcessorFeatures.ofThisMachine().warning().ifPresent(out::println);
    }
    Path directory = Path.of(config.output());
    RunHandle handle = starter.start(config, loaded.text());
    Progress progress = Progress.onStandardOutput(out);
    Interrupts interrupts =
        new Interrupts(
            () -> {
              out.println("\nstopping at the next step (Ctrl-C again: at once)");
              out.flush();
              handle.cancel();
            });
    List<AutoCloseable> watchers = new ArrayList<>();
    RunResult result;
    try {
      if (config.dashboard().enabled()) {
        DashboardServer server = dashboard(config, directory, handle);
        watchers.add(server);
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
      int code = UserErrors.report(e, spec.commandLine().getErr());
      spec.commandLine().getErr().println("what was done is kept; to go on: " + resumeCommand());
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
          Map.of(
              "ppo", config.ppo().evaluation().samples(),
              "dpo", config.dpo().evaluation().samples()),
          out);
      out.println("\nleft in " + directory + ": summary.json, events.pb and what was trained");
      out.flush();
    }
    if (result.outcome().equals(RunResult.COMPLETED)) {
      if (!json) {
        NextSteps.print(
            OutputJson.mapper().readTree(result.summaryJson()), config.model(), directory, out);
      }
      return ExitCode.OK;
    }
    out.println("stopped before its end; to go on: " + resumeCommand());
    out.flush();
    return ExitCode.INTERRUPTED;
  }

  /** The command line that this is, with --resume. */
  private String resumeCommand() {
    List<String> words = new ArrayList<>(spec.root().commandLine().getParseResult().originalArgs());
    words.remove("--resume");
    words.add("--resume");
    return Invocation.line(words.toArray(String[]::new));
  }

  private static DashboardServer dashboard(
      PipelineConfig config, Path directory, RunHandle handle) {
    try {
      return DashboardServer.start(directory, config.dashboard().host(), config.dashboard().port());
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
