package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
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
        "Shows the effective configuration, the placement and the memory that a run would take,"
            + " and refuses what cannot fit. Loads no weights, writes nothing.")
final class PlanCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions options;

  @Option(
      names = "--memory",
      paramLabel = "MIB",
      description = "plan for a machine with this much available instead of this one")
  private long memoryMib;

  @Override
  public Integer call() {
    ConfigurationLoader.Loaded<PipelineConfig> loaded = options.load();
    PrintWriter out = spec.commandLine().getOut();
    out.println(loaded.text().stripTrailing());
    out.println();
    out.println("placement\n  policy, critic, reward, reference: this JVM, one shared base");
    Device device = Device.of(loaded.value().engine().device());
    MemoryPlan plan = RunOptions.memory(loaded.value(), device);
    long available = memoryMib > 0 ? memoryMib << 20 : MachineMemory.availableBytes(device);
    out.println(plan.text(OptionalLong.of(available)));
    out.flush();
    plan.check(available);
    return ExitCode.OK;
  }
}
