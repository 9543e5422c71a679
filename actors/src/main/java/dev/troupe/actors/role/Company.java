package dev.troupe.actors.role;

import dev.troupe.protocol.message.RoleWorker;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;

/** Watches the other replicas for as long as this one waits for them. */
final class Company implements AutoCloseable {
  private final ActorRef<Watcher.Command> watcher;
  private final Map<ActorRef<RoleWorker.Command>, Runnable> watched = new HashMap<>();
  private final CompletableFuture<RoleWorker.Reply> lost = new CompletableFuture<>();

  Company(RoleWorker.Together together, ActorRef<Watcher.Command> watcher) {
    this.watcher = watcher;
    for (int rank = 0; rank < together.replicas().size(); rank++) {
      if (rank != together.share().rank()) {
        ActorRef<RoleWorker.Command> other = together.replicas().get(rank);
        Runnable ended =
            () ->
                lost.complete(
                    new RoleWorker.Failed(
                        "the replica " + other.path() + " ended while its sums were waited for",
                        false));
        watched.put(other, ended);
        watcher.tell(new Watcher.Watch(other, ended));
      }
    }
  }

  /** Completes with a failure when one of them ends. */
  CompletableFuture<RoleWorker.Reply> lost() {
    return lost;
  }

  @Override
  public void close() {
    watched.forEach((other, ended) -> watcher.tell(new Watcher.Forget(other, ended)));
  }
}
