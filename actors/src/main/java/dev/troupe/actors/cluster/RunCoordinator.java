package dev.troupe.actors.cluster;

import dev.troupe.protocol.event.MembersChanged;
import dev.troupe.protocol.event.Notice;
import dev.troupe.protocol.event.RoleChanged;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.cluster.ClusterEvent;
import org.apache.pekko.cluster.Member;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Subscribe;

/**
 * One per run: hears of every role and member, wherever it is, and turns what it hears into the
 * run's events.
 */
final class RunCoordinator extends AbstractBehavior<RunCoordinator.Command> {
  interface Command {}

  private record Heard(RoleStatus status) implements Command {}

  private record Membership(ClusterEvent.ClusterDomainEvent event) implements Command {}

  private record Refused(String what) implements Command {}

  private record Told(String what) implements Command {}

  /** Asks where the run listens. */
  record Listener(ActorRef<Ears> replyTo) implements Command {}

  /**
   * Where the run listens.
   *
   * @param roles to what roles are doing
   * @param refusals to whom nodes refused
   * @param notices to what else is worth a line
   */
  record Ears(
      ActorRef<RoleStatus> roles, ActorRef<Node.Refused> refusals, ActorRef<String> notices) {}

  private final Consumer<RunEvent.Builder> events;
  private final Ears ears;
  private final Map<String, MembersChanged.Member> members = new TreeMap<>();

  private RunCoordinator(
      ActorContext<Command> context, boolean clustered, Consumer<RunEvent.Builder> events) {
    super(context);
    this.events = events;
    ears =
        new Ears(
            context.messageAdapter(RoleStatus.class, Heard::new),
            context.messageAdapter(
                Node.Refused.class,
                refused -> new Refused("node " + refused.node() + " " + refused.what())),
            context.messageAdapter(String.class, Told::new));
    if (clustered) {
      Cluster.get(context.getSystem())
          .subscriptions()
          .tell(
              Subscribe.create(
                  context.messageAdapter(ClusterEvent.ClusterDomainEvent.class, Membership::new),
                  ClusterEvent.ClusterDomainEvent.class));
    }
  }

  static Behavior<Command> create(boolean clustered, Consumer<RunEvent.Builder> events) {
    return Behaviors.setup(context -> new RunCoordinator(context, clustered, events));
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Listener.class, this::onListener)
        .onMessage(Heard.class, this::onHeard)
        .onMessage(Membership.class, this::onMembership)
        .onMessage(Refused.class, this::onRefused)
        .onMessage(Told.class, this::onTold)
        .build();
  }

  private Behavior<Command> onListener(Listener ask) {
    ask.replyTo().tell(ears);
    return this;
  }

  private Behavior<Command> onHeard(Heard heard) {
    RoleStatus status = heard.status();
    events.accept(
        RunEvent.newBuilder()
            .setRoleChanged(
                RoleChanged.newBuilder()
                    .setRole(status.role())
                    .setNode(status.node())
                    .setState(status.state())
                    .setActivity(status.activity())
                    .setAdapterVersion(status.adapterVersion())
                    .putAllMemoryBytes(status.memoryBytes())
                    .putAllPhaseSeconds(status.phaseSeconds())
                    .setKernels(status.kernels())));
    return this;
  }

  private Behavior<Command> onRefused(Refused refused) {
    events.accept(
        RunEvent.newBuilder()
            .setNotice(Notice.newBuilder().setSeverity("warning").setText(refused.what())));
    return this;
  }

  private Behavior<Command> onTold(Told told) {
    events.accept(
        RunEvent.newBuilder()
            .setNotice(Notice.newBuilder().setSeverity("info").setText(told.what())));
    return this;
  }

  private Behavior<Command> onMembership(Membership membership) {
    if (membership.event() instanceof ClusterEvent.MemberEvent event) {
      changed(event.member(), event.member().status().toString());
    } else if (membership.event() instanceof ClusterEvent.UnreachableMember unreachable) {
      changed(unreachable.member(), "Unreachable");
    } else if (membership.event() instanceof ClusterEvent.ReachableMember reachable) {
      changed(reachable.member(), reachable.member().status().toString());
    }
    return this;
  }

  private void changed(Member member, String status) {
    String address = member.address().hostPort();
    members.put(
        address,
        MembersChanged.Member.newBuilder()
            .setAddress(address)
            .setStatus(status)
            .addAllRoles(
                member.getRoles().stream()
                    .filter(
                        role -> !role.startsWith("dc-") && !role.startsWith(Ensemble.CERTIFICATE))
                    .sorted()
                    .toList())
            .build());
    events.accept(
        RunEvent.newBuilder()
            .setMembersChanged(MembersChanged.newBuilder().addAllMembers(members.values())));
  }
}
