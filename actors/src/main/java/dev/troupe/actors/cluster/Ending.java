package dev.troupe.actors.cluster;

import dev.troupe.actors.role.RoleException;
import dev.troupe.actors.shortage.Shortage;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.pekko.Done;
import org.apache.pekko.actor.CoordinatedShutdown;
import org.apache.pekko.actor.typed.ActorSystem;
import org.jspecify.annotations.Nullable;

/** Whether the end of an actor system is the one that was asked for. For any thread. */
final class Ending {
  /**
   * How long the last phase may take. Connections that broke as the system ended have been seen to
   * keep it from ending for ever.
   */
  private static final Duration LAST_PHASE = Duration.ofSeconds(15);

  private final Duration lastPhase;
  private final CompletableFuture<Done> overdue = new CompletableFuture<>();
  private volatile boolean asked;
  private volatile @Nullable String dismissal;
  private volatile @Nullable String hang;

  Ending() {
    this(LAST_PHASE);
  }

  Ending(Duration lastPhase) {
    this.lastPhase = lastPhase;
  }

  /** Looks after the end of a system. */
  void of(ActorSystem<?> system) {
    CoordinatedShutdown.get(system)
        .addTask(
            CoordinatedShutdown.PhaseActorSystemTerminate(),
            "last-phase",
            () -> {
              overdue.completeOnTimeout(Done.done(), lastPhase.toMillis(), TimeUnit.MILLISECONDS);
              return CompletableFuture.completedFuture(Done.done());
            });
  }

  /** Whether a system is ending, or has ended. */
  boolean begun(ActorSystem<?> system) {
    return CoordinatedShutdown.get(system).getShutdownReason().isPresent();
  }

  /** Completes when a system that ends should have ended. */
  CompletableFuture<Done> overdue() {
    return overdue;
  }

  /** From here on it is. */
  void ask() {
    asked = true;
  }

  boolean asked() {
    return asked;
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
   * Work hangs here, and can be ended with the JVM alone.
   *
   * @param what a sentence about it
   */
  void hang(String what) {
    hang = what;
  }

  /**
   * To be called when the system has ended.
   *
   * @throws ClusterException when the run sent this node away
   * @throws CutOffException when its driver is gone
   * @throws RoleException when work hangs here, or it ended by itself
   */
  void check(ActorSystem<?> system) {
    String what = hang;
    if (what != null) {
      throw new RoleException(what, false);
    }
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
      throw new CutOffException();
    }
    throw new RoleException(Shortage.ofActorSystem(), false);
  }
}
