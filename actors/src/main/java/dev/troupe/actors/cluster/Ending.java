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
   * @throws ClusterException when the run sent this node away, or the other nodes removed it
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
          "the run has sent this node away, as it does with one that it did not hear from for too"
              + " long; the run's notices say why");
    }
    throw new RoleException(Shortage.ofActorSystem(), false);
  }
}
