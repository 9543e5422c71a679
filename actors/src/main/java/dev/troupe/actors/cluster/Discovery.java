package dev.troupe.actors.cluster;

import dev.troupe.actors.role.NodeActor;
import dev.troupe.protocol.message.Node;
import java.time.Duration;
import java.util.Collection;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.actor.typed.receptionist.Receptionist;
import org.apache.pekko.cluster.typed.Cluster;

/**
 * Waits until every node role that the placement names is there, then gives the nodes by role and
 * ends.
 */
final class Discovery extends AbstractBehavior<Discovery.Command> {
  interface Command {}

  private record Listed(Receptionist.Listing listing) implements Command {}

  private record Replied(Node.Reply reply) implements Command {}

  private record TimedOut() implements Command {}

  private final Set<String> needed;
  private final Duration timeout;
  private final CompletableFuture<Map<String, ActorRef<Node.Command>>> found;
  private final ActorRef<Node.Reply> replies;
  private final Set<ActorRef<Node.Command>> asked = new HashSet<>();
  private final Map<String, ActorRef<Node.Command>> byRole = new TreeMap<>();

  private Discovery(
      ActorContext<Command> context,
      Collection<String> needed,
      Duration timeout,
      CompletableFuture<Map<String, ActorRef<Node.Command>>> found) {
    super(context);
    this.needed = new TreeSet<>(needed);
    this.timeout = timeout;
    this.found = found;
    replies = context.messageAdapter(Node.Reply.class, Replied::new);
    context
        .getSystem()
        .receptionist()
        .tell(
            Receptionist.subscribe(
                NodeActor.KEY, context.messageAdapter(Receptionist.Listing.class, Listed::new)));
  }

  static Behavior<Command> create(
      Collection<String> needed,
      Duration timeout,
      CompletableFuture<Map<String, ActorRef<Node.Command>>> found) {
    return Behaviors.setup(
        context ->
            Behaviors.withTimers(
                timers -> {
                  timers.startSingleTimer(new TimedOut(), timeout);
                  return new Discovery(context, needed, timeout, found);
                }));
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Listed.class, this::onListed)
        .onMessage(Replied.class, this::onReplied)
        .onMessage(TimedOut.class, this::onTimedOut)
        .build();
  }

  private Behavior<Command> onListed(Listed listed) {
    for (ActorRef<Node.Command> node : listed.listing().getServiceInstances(NodeActor.KEY)) {
      if (asked.add(node)) {
        node.tell(new Node.Introduce(replies));
      }
    }
    return this;
  }

  private Behavior<Command> onReplied(Replied replied) {
    if (!(replied.reply() instanceof Node.Introduced node)) {
      return this;
    }
    if (node.protocolVersion() != Node.PROTOCOL_VERSION) {
      found.completeExceptionally(
          new ClusterException(
              "the node "
                  + node.name()
                  + " speaks protocol version "
                  + node.protocolVersion()
                  + ", this one "
                  + Node.PROTOCOL_VERSION
                  + ". Run the same version of Troupe on every node"));
      return Behaviors.stopped();
    }
    node.roles().forEach(role -> byRole.putIfAbsent(role, node.node()));
    if (byRole.keySet().containsAll(needed)) {
      found.complete(Map.copyOf(byRole));
      return Behaviors.stopped();
    }
    return this;
  }

  private Behavior<Command> onTimedOut(TimedOut timedOut) {
    Set<String> missing = new TreeSet<>(needed);
    missing.removeAll(byRole.keySet());
    found.completeExceptionally(
        new ClusterException(
            "after "
                + timeout.toSeconds()
                + " s no node with the role"
                + (missing.size() == 1 ? " " : "s ")
                + String.join(", ", missing)
                + " has joined; present are "
                + (byRole.isEmpty() ? "none" : String.join(", ", byRole.keySet()))
                + ". Start one with: troupe node --join "
                + Cluster.get(getContext().getSystem())
                    .selfMember()
                    .address()
                    .hostPort()
                    .replaceFirst(".*@", "")
                + " --roles "
                + String.join(",", missing)));
    return Behaviors.stopped();
  }
}
