package dev.troupe.configuration;

import com.typesafe.config.ConfigFactory;
import dev.troupe.actors.pipeline.PipelineConfig;
import java.time.Duration;
import java.util.List;

/** The configuration of a run: its records and its defaults. */
public final class PipelineConfigurations {
  /** On the class path. */
  public static final String DEFAULTS = "troupe-defaults.conf";

  /** What {@code include} finds from anywhere. */
  public static final List<String> PRESETS =
      List.of(
          "presets/modern.conf",
          "presets/deepspeed-chat.conf",
          "presets/grpo.conf",
          "presets/dapo.conf",
          "presets/scalerl.conf");

  private PipelineConfigurations() {}

  /** How long a run and a node wait for one another, unless told otherwise. */
  public static Duration joinTimeout() {
    return Duration.ofSeconds(
        ConfigFactory.parseResources(PipelineConfigurations.class.getClassLoader(), DEFAULTS)
            .getInt("cluster.join-timeout-seconds"));
  }

  public static ConfigurationLoader<PipelineConfig> loader() {
    return new ConfigurationLoader<>(PipelineConfig.class, DEFAULTS);
  }
}
