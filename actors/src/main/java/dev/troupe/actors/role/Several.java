package dev.troupe.actors.role;

import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleWorker;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;

/**
 * Some nodes to whoever opens one role on them, as though they were one: it gets the role's {@link
 * Replicas}, and ends with them.
 */
final class Several {
  private Several() {}

  static Behavior<Node.Command> create(List<ActorRef<Node.Command>> homes, Replicas.Terms terms) {
    return Behaviors.setup(
        context ->
            Behaviors.receive(Node.Command.class)
                .onMessage(
                    Node.Open.class,
                    open -> {
                      ActorRef<RoleWorker.Command> replicas =
                          context.spawn(
                              Replicas.create(open.spec(), homes, open.listener(), terms),
                              open.spec().name());
                      context.watchWith(replicas, new Node.Leave());
                      open.replyTo().tell(new Node.Opened(replicas, names(homes)));
                      return Behaviors.same();
                    })
                .onMessage(Node.Leave.class, leave -> Behaviors.stopped())
                .build());
  }

  /** Of several nodes, for people. */
  static String names(List<ActorRef<Node.Command>> homes) {
    return homes.stream().map(Member::name).collect(Collectors.joining(" and "));
  }
}
