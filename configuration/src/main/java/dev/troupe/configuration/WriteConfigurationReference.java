package dev.troupe.configuration;

import dev.troupe.actors.pipeline.PipelineConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes docs/configuration.md anew. */
final class WriteConfigurationReference {
  static final String COMMAND =
      "java -cp 'configuration/target/classes:launcher/target/lib/*'"
          + " dev.troupe.configuration.WriteConfigurationReference docs/configuration.md";

  private WriteConfigurationReference() {}

  public static void main(String[] arguments) throws IOException {
    ConfigurationLoader<PipelineConfig> loader = PipelineConfigurations.loader();
    Files.writeString(
        Path.of(arguments[0]),
        new ConfigurationReference(PipelineConfig.class, loader.defaults()).markdown(COMMAND));
  }
}
