package dev.troupe.launcher;

import dev.troupe.actors.cluster.ClusterException;
import dev.troupe.actors.cluster.CutOffException;
import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.trust.Credentials;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletionException;

/**
 * Waits beside a run that another host drives, until that one is lost. Who drives is then decided
 * by the nodes, which each join one driver: whoever has all that the run needs goes on with it.
 *
 * @param driver host and port of the one that drives
 * @param port at which nodes find this one
 * @param rollouts how many nodes answer prompts
 */
record StandBy(
    PipelineConfig config,
    String driver,
    String host,
    int port,
    int rollouts,
    Credentials own,
    PrintWriter out) {
  /** Its own host may have started it again by then. */
  private static final Duration RETURN = Duration.ofSeconds(10);

  /**
   * @return the run's nodes, with this process as their driver; absent when the run is over
   */
  Optional<Ensemble> await() {
    Duration patience = Duration.ofSeconds(config.cluster().joinTimeoutSeconds());
    boolean stood = false;
    while (true) {
      try (Ensemble member = Ensemble.standBy(host, port, driver, stood ? RETURN : patience, own)) {
        stood = true;
        say("standing by: the run's driver is " + driver);
        member.ended().join();
        say("the run is over");
        return Optional.empty();
      } catch (CompletionException e) {
        if (!(e.getCause() instanceof CutOffException)) {
          throw e;
        }
        say("the run's driver " + driver + " is lost, or this host is cut off");
        continue;
      } catch (ClusterException e) {
        if (!stood) {
          throw e;
        }
      }
      Ensemble nodes = Ensemble.seed(host, port, rollouts, own);
      try {
        say("waiting for the run's nodes at " + nodes.address());
        nodes.gather(config.placement(), config.cluster().replicas(), patience);
        return Optional.of(nodes);
      } catch (ClusterException e) {
        nodes.close();
        say(String.valueOf(e.getMessage()));
      }
    }
  }

  private void say(String line) {
    out.println(line);
    out.flush();
  }
}
