package dev.troupe.configuration;

import dev.troupe.actors.pipeline.EvalConfig;
import java.util.List;

/** The configuration of an evaluation: its record and its defaults. */
public final class EvalConfigurations {
  /** On the class path. */
  public static final String DEFAULTS = "troupe-eval.conf";

  /** What it shares with the configuration of a run. */
  static final List<String> SHARED = List.of("engine", "data", Templates.KEY);

  private EvalConfigurations() {}

  public static ConfigurationLoader<EvalConfig> loader() {
    return new ConfigurationLoader<>(EvalConfig.class, DEFAULTS)
        .sharing(PipelineConfigurations.DEFAULTS, SHARED);
  }
}
