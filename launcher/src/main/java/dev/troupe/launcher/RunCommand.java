package dev.troupe.launcher;

import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.models.torch.Device;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.Callable;
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
            + " account of samples. Ctrl-C stops at the next step, to be resumed later; a second"
            + " one at once.")
final class RunCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions options;

  @Option(names = "--json", description = "nothing but summary.json on standard output")
  private boolean json;

  @Override
  public Integer call() throws InterruptedException, IOException {
    ConfigurationLoader.Loaded<PipelineConfig> loaded = options.load();
    return new RunSession(spec, json)
        .follow(
            loaded,
            options.resume(),
            Optional.of(Device.of(loaded.value().engine().device())),
            true,
            (request, resume) -> resume ? Pipeline.resume(request) : Pipeline.start(request));
  }
}
