package dev.troupe.actors.cluster;

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
 * Tells whoever started the nodes what the cluster finds out about them. A process that is stopped,
 * hangs or is cut off has not ended, so that nobody else would.
 */
final class Attendance extends AbstractBehavior<ClusterEvent.ClusterDomainEvent> {
  private final Ensemble.Watch watch;

  private Attendance(ActorContext<ClusterEvent.ClusterDomainEvent> context, Ensemble.Watch watch) {
    super(context);
    this.watch = watch;
    Cluster cluster = Cluster.get(context.getSystem());
    cluster
        .subscriptions()
        .tell(Subscribe.create(context.getSelf(), ClusterEvent.ClusterDomainEvent.class));
  }

  static Behavior<ClusterEvent.ClusterDomainEvent> create(Ensemble.Watch watch) {
    return Behaviors.setup(context -> new Attendance(context, watch));
  }

  @Override
  public Receive<ClusterEvent.ClusterDomainEvent> createReceive() {
    return newReceiveBuilder()
        .onMessage(
            ClusterEvent.UnreachableMember.class,
            event -> told(event.member(), Ensemble.Presence.SILENT))
        .onMessage(
            ClusterEvent.ReachableMember.class,
            event -> told(event.member(), Ensemble.Presence.HEARD))
        .onMessage(
            ClusterEvent.MemberDowned.class, event -> told(event.member(), Ensemble.Presence.LOST))
        .onAnyMessage(other -> this)
        .build();
  }

  private Attendance told(Member member, Ensemble.Presence presence) {
    member.getRoles().stream()
        .filter(role -> role.startsWith(Ensemble.CERTIFICATE))
        .forEach(role -> watch.told(role.substring(Ensemble.CERTIFICATE.length()), presence));
    return this;
  }
}
