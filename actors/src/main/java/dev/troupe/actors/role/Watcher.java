package dev.troupe.actors.role;

import dev.troupe.protocol.message.RoleWorker;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/** Notices when a role's actor ends, so that nobody waits for an answer that cannot come. */
final class Watcher {
  sealed interface Command {}

  record Watch(ActorRef<RoleWorker.Command> worker, CompletableFuture<Void> ended)
      implements Command {}

  private record Ended(CompletableFuture<Void> ended) implements Command {}

  private Watcher() {}

  static Behavior<Command> create() {
    return Behaviors.setup(
        context ->
            Behaviors.receive(Command.class)
                .onMessage(
                    Watch.class,
                    watch -> {
                      context.watchWith(watch.worker(), new Ended(watch.ended()));
                      return Behaviors.same();
                    })
                .onMessage(
                    Ended.class,
                    ended -> {
                      ended.ended().complete(null);
                      return Behaviors.same();
                    })
                .build());
  }
}
