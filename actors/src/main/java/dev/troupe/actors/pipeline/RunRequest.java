package dev.troupe.actors.pipeline;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.protocol.event.RunPage;
import java.util.Optional;

/**
 * A run to start or to go on with, and what is to surround it.
 *
 * @param text the effective configuration, kept beside the run
 * @param listener hears of each step
 * @param page opens the run's page, where the configuration wants one; such as {@code
 *     DashboardServer::start} of the module dashboard
 * @param seed this JVM's place in a cluster whose nodes play the roles; closed with the run, and
 *     its nodes with it. Absent where this JVM plays all
 * @param forecast of the same configuration, for this purpose; made when absent
 */
public record RunRequest(
    PipelineConfig config,
    String text,
    StepListener listener,
    Optional<RunPage.Opener> page,
    Optional<Ensemble> seed,
    Optional<RunForecast> forecast) {
  /** In this JVM, without a listener and without a page. */
  public static RunRequest of(PipelineConfig config, String text) {
    return new RunRequest(
        config, text, StepListener.NONE, Optional.empty(), Optional.empty(), Optional.empty());
  }

  public RunRequest listener(StepListener heard) {
    return new RunRequest(config, text, heard, page, seed, forecast);
  }

  public RunRequest page(RunPage.Opener opener) {
    return new RunRequest(config, text, listener, Optional.of(opener), seed, forecast);
  }

  public RunRequest on(Ensemble cluster) {
    return new RunRequest(config, text, listener, page, Optional.of(cluster), forecast);
  }

  public RunRequest checked(RunForecast found) {
    return new RunRequest(config, text, listener, page, seed, Optional.of(found));
  }
}
