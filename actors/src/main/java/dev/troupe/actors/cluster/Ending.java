package dev.troupe.actors.cluster;

import dev.troupe.actors.role.RoleException;
import dev.troupe.actors.shortage.Shortage;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorSystem;

/** Whether the end of an actor system is the one that was asked for. For any thread. */
final class Ending {
  private volatile boolean asked;

  /** From here on it is. */
  void ask() {
    asked = true;
  }

  /**
   * To be called when the system has ended.
   *
   * @throws ClusterException when the other nodes removed this one
   * @throws RoleException when it ended by itself
   */
  void check(ActorSystem<?> system) {
    if (asked) {
      return;
    }
    if (CoordinatedShutdown.get(system)
        .getShutdownReason()
        .filter(CoordinatedShutdown.clusterDowningReason()::equals)
        .isPresent()) {
      throw new ClusterException(
          "the run has sent this node away, as it does with one of another version, or one that it"
              + " did not hear from for too long; the run's notices say why");
    }
    throw new RoleException(Shortage.ofActorSystem(), false);
  }
}
