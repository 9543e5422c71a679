package dev.troupe.actors.pipeline;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.protocol.event.RunPage;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.RewardFunction;
import java.util.List;
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
 * @param functions rewards beside those on the class path
 * @param environments of episodes beside those on the class path; each is ended with the stage that
 *     plays in it
 */
public record RunRequest(
    PipelineConfig config,
    String text,
    StepListener listener,
    Optional<RunPage.Opener> page,
    Optional<Ensemble> seed,
    Optional<RunForecast> forecast,
    List<RewardFunction> functions,
    List<EnvironmentFactory> environments) {
  public RunRequest {
    functions = List.copyOf(functions);
    environments = List.copyOf(environments);
  }

  /** In this JVM, without a listener and without a page. */
  public static RunRequest of(PipelineConfig config, String text) {
    return new RunRequest(
        config,
        text,
        StepListener.NONE,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        List.of(),
        List.of());
  }

  public RunRequest listener(StepListener heard) {
    return new RunRequest(config, text, heard, page, seed, forecast, functions, environments);
  }

  public RunRequest page(RunPage.Opener opener) {
    return new RunRequest(
        config, text, listener, Optional.of(opener), seed, forecast, functions, environments);
  }

  public RunRequest on(Ensemble cluster) {
    return new RunRequest(
        config, text, listener, page, Optional.of(cluster), forecast, functions, environments);
  }

  public RunRequest checked(RunForecast found) {
    return new RunRequest(
        config, text, listener, page, seed, Optional.of(found), functions, environments);
  }

  /** With rewards of the caller's own, which the configuration names. */
  public RunRequest functions(List<RewardFunction> own) {
    return new RunRequest(config, text, listener, page, seed, forecast, own, environments);
  }

  /** With environments of the caller's own, which the configuration names. */
  public RunRequest environments(List<EnvironmentFactory> own) {
    return new RunRequest(config, text, listener, page, seed, forecast, functions, own);
  }
}
