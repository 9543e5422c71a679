package dev.troupe.actors.role;

import dev.troupe.protocol.message.RoleWorker;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/** Notices when a role's actor ends, so that nobody waits for an answer that cannot come. */
final class Watcher {
  sealed interface Command {}

  record Watch(ActorRef<RoleWorker.Command> worker, Runnable ended) implements Command {}

  private record Ended(Runnable ended) implements Command {}

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
                      ended.ended().run();
                      return Behaviors.same();
                    })
                .build());
  }
}
