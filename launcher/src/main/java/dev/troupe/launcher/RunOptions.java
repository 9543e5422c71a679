package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.configuration.ConfigurationLoader;
import dev.troupe.configuration.PipelineConfigurations;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which configuration a run has. */
final class RunOptions {
  @Parameters(paramLabel = "CONF", description = "configuration file, see docs/configuration.md")
  private Path file = Path.of("");

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "overrides a key of the configuration, such as ppo.iterations=20; repeatable")
  private List<String> overrides = List.of();

  @Option(
      names = "--resume",
      description =
          "goes on with the stopped run in the output directory, from its last checkpoint, to the"
              + " result that it would have had")
  private boolean resume;

  /** As arguments again, the file by its whole path. */
  List<String> arguments() {
    List<String> arguments = new ArrayList<>(List.of(file.toAbsolutePath().normalize().toString()));
    overrides.forEach(override -> arguments.addAll(List.of("--set", override)));
    return arguments;
  }

  boolean resume() {
    return resume;
  }

  ConfigurationLoader.Loaded<PipelineConfig> load() {
    return PipelineConfigurations.loader().load(file, overrides);
  }
}
