package dev.troupe.launcher;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.dashboard.DashboardServer;
import dev.troupe.dashboard.RunFollower;
import dev.troupe.dashboard.tensorboard.TensorBoardWriter;
import dev.troupe.launcher.config.ConfigurationLoader;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code troupe run}: the pipeline. */
@Command(
    name = "run",
    mixinStandardHelpOptions = true,
    description =
        "Runs the stages of a configuration: progress while it lasts, then the results and the"
            + " account of samples. Ctrl-C stops at the next step; a second one at once.")
final class RunCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions options;

  @Option(names = "--json", description = "nothing but summary.json on standard output")
  private boolean json;

  @Override
  public Integer call() throws InterruptedException, IOException {
    ConfigurationLoader.Loaded<PipelineConfig> loaded = options.load();
    PipelineConfig config = loaded.value();
    PrintWriter out = json ? spec.commandLine().getErr() : spec.commandLine().getOut();
    MemoryPlan plan = RunOptions.memory(config);
    long available = MachineMemory.availableBytes();
    plan.check(available);
    out.println(plan.text(available));
    Path directory = Path.of(config.output());
    RunHandle handle = Pipeline.start(config, loaded.text(), (stage, step, total, metrics) -> {});
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
          RunFollower.start("progress", directory, events -> events.forEach(progress::accept)));
      result = handle.result().get();
    } catch (ExecutionException e) {
      return UserErrors.report(e, spec.commandLine().getErr());
    } finally {
      close(watchers);
      interrupts.close();
    }
    if (json) {
      spec.commandLine().getOut().print(result.summaryJson());
      spec.commandLine().getOut().flush();
    } else {
      RunReport.print(result.summaryJson(), out);
      out.println("\nleft in " + directory + ": summary.json, events.pb and what was trained");
      out.flush();
    }
    return interrupts.interrupted() ? ExitCode.INTERRUPTED : ExitCode.OK;
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
