package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.models.torch.Device;
import java.io.PrintWriter;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code troupe plan}: what a run would do, without taking anything. */
@Command(
    name = "plan",
    mixinStandardHelpOptions = true,
    description =
        "Checks all that can be checked before a run and shows what it would be: settings, steps and"
            + " tokens, placement, memory, disk. Trains nothing, fetches nothing, and leaves the"
            + " output directory alone.")
final class PlanCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions options;

  @Option(
      names = "--memory",
      paramLabel = "MIB",
      description = "plan for a machine with this much available instead of this one")
  private long memoryMib;

  @Option(
      names = "--all",
      description = "the whole effective configuration, and memory by phase and purpose, as well")
  private boolean all;

  @Override
  public Integer call() {
    ConfigurationLoader.Loaded<PipelineConfig> loaded = options.load();
    PrintWriter out = spec.commandLine().getOut();
    RunForecast forecast =
        RunForecast.of(
            loaded.value(),
            options.resume() ? RunForecast.Purpose.RESUME : RunForecast.Purpose.PLAN,
            line -> {
              spec.commandLine().getErr().println(line);
              spec.commandLine().getErr().flush();
            });
    DashboardPort port = DashboardPort.of(loaded);
    Device device = Device.of(loaded.value().engine().device());
    MemoryPlan plan = RunMemory.of(forecast, device);
    long available = memoryMib > 0 ? memoryMib << 20 : MachineMemory.availableBytes(device);
    if (all) {
      out.println(loaded.text().stripTrailing());
      out.println();
    } else {
      out.println(PlanReport.settings(loaded));
    }
    out.println(PlanReport.stages(forecast));
    if (all) {
      out.println(plan.text(OptionalLong.of(available)));
      out.println();
    }
    out.print(PlanReport.resources(forecast, plan, OptionalLong.of(available), port));
    out.flush();
    plan.check(available);
    return ExitCode.OK;
  }
}
