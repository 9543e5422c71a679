package dev.troupe.actors.cluster;

import dev.troupe.actors.role.RoleException;
import dev.troupe.actors.shortage.Shortage;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorSystem;
import org.jspecify.annotations.Nullable;

/** Whether the end of an actor system is the one that was asked for. For any thread. */
final class Ending {
  private volatile boolean asked;
  private volatile @Nullable String dismissal;

  /** From here on it is. */
  void ask() {
    asked = true;
  }

  /**
   * The run wants none of this node.
   *
   * @param why a clause about it
   */
  void dismiss(String why) {
    dismissal = why;
  }

  /**
   * To be called when the system has ended.
   *
   * @throws ClusterException when the run sent this node away, or its driver is gone
   * @throws RoleException when it ended by itself
   */
  void check(ActorSystem<?> system) {
    if (asked) {
      return;
    }
    String why = dismissal;
    if (why != null) {
      throw new ClusterException("the run has sent this node away: it " + why);
    }
    if (CoordinatedShutdown.get(system)
        .getShutdownReason()
        .filter(CoordinatedShutdown.clusterDowningReason()::equals)
        .isPresent()) {
      throw new ClusterException(
          "this node is cut off from its run: the run's driver has ended, or they did not hear from"
              + " one another for too long; the run's notices say more");
    }
    throw new RoleException(Shortage.ofActorSystem(), false);
  }
}
