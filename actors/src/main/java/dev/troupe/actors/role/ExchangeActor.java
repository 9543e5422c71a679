package dev.troupe.actors.role;

import dev.troupe.protocol.message.RoleWorker;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorRefResolver;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/**
 * A replica's part in exchanges, a child of its actor: answers other replicas from the {@link
 * Exchange}, and asks them. Its path, and those of the actors that wait for answers, lie too deep
 * for the wire's lane of large messages: each of its streams takes buffers of the largest message
 * that there may be, and every replica has streams to all others.
 */
final class ExchangeActor {
  private static final String NAME = "exchange";

  /** Asks another replica, in the name of this one's thread. */
  private record Ask(
      ActorRef<RoleWorker.Command> other,
      Function<ActorRef<RoleWorker.Reply>, RoleWorker.Command> message,
      CompletableFuture<RoleWorker.Reply> reply)
      implements RoleWorker.Command {}

  private ExchangeActor() {}

  /** Below a replica's actor. */
  static ActorRef<RoleWorker.Command> spawn(ActorContext<?> replica, Exchange exchange) {
    return replica.spawn(create(exchange), NAME);
  }

  private static Behavior<RoleWorker.Command> create(Exchange exchange) {
    return Behaviors.setup(
        context ->
            Behaviors.receive(RoleWorker.Command.class)
                .onMessage(
                    RoleWorker.FetchSum.class,
                    fetch -> {
                      exchange.answer(fetch);
                      return Behaviors.same();
                    })
                .onMessage(
                    RoleWorker.FetchFigures.class,
                    fetch -> {
                      exchange.answer(fetch);
                      return Behaviors.same();
                    })
                .onMessage(
                    RoleWorker.FetchAddress.class,
                    fetch -> {
                      exchange.answer(fetch);
                      return Behaviors.same();
                    })
                .onMessage(
                    RoleWorker.FetchEnd.class,
                    fetch -> {
                      exchange.answer(fetch);
                      return Behaviors.same();
                    })
                .onMessage(
                    Ask.class,
                    ask -> {
                      ask.other()
                          .tell(ask.message().apply(context.spawnAnonymous(waiting(ask.reply()))));
                      return Behaviors.same();
                    })
                .build());
  }

  private static Behavior<RoleWorker.Reply> waiting(CompletableFuture<RoleWorker.Reply> future) {
    return Behaviors.receive(RoleWorker.Reply.class)
        .onAnyMessage(
            reply -> {
              future.complete(reply);
              return Behaviors.stopped();
            })
        .build();
  }

  /** Asks the part in exchanges of another replica's actor. */
  static CompletableFuture<RoleWorker.Reply> ask(
      ActorRef<RoleWorker.Command> own,
      ActorSystem<?> system,
      ActorRef<RoleWorker.Command> replica,
      Function<ActorRef<RoleWorker.Reply>, RoleWorker.Command> message) {
    CompletableFuture<RoleWorker.Reply> reply = new CompletableFuture<>();
    ActorRef<RoleWorker.Command> other =
        ActorRefResolver.get(system).resolveActorRef(replica.path().child(NAME).toString());
    own.tell(new Ask(other, message, reply));
    return reply;
  }
}
