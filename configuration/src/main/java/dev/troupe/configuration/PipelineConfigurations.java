package dev.troupe.configuration;

import dev.troupe.actors.pipeline.PipelineConfig;

/** The configuration of a run: its records and its defaults. */
public final class PipelineConfigurations {
  /** On the class path. */
  public static final String DEFAULTS = "troupe-defaults.conf";

  private PipelineConfigurations() {}

  public static ConfigurationLoader<PipelineConfig> loader() {
    return new ConfigurationLoader<>(PipelineConfig.class, DEFAULTS);
  }
}
