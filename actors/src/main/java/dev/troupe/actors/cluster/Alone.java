package dev.troupe.actors.cluster;

import java.util.concurrent.CompletableFuture;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.apache.pekko.cluster.ClusterEvent.MemberRemoved;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Subscribe;

/**
 * Completes a future when this node is the only member that is left of its cluster. One that goes
 * before the others have been seen to go waits for news of them that nobody sends any more.
 */
final class Alone extends AbstractBehavior<MemberRemoved> {
  private final Cluster cluster = Cluster.get(getContext().getSystem());
  private final CompletableFuture<Void> alone;

  private Alone(ActorContext<MemberRemoved> context, CompletableFuture<Void> alone) {
    super(context);
    this.alone = alone;
    cluster.subscriptions().tell(Subscribe.create(context.getSelf(), MemberRemoved.class));
    look();
  }

  static Behavior<MemberRemoved> create(CompletableFuture<Void> alone) {
    return Behaviors.setup(context -> new Alone(context, alone));
  }

  @Override
  public Receive<MemberRemoved> createReceive() {
    return newReceiveBuilder().onMessage(MemberRemoved.class, removed -> look()).build();
  }

  private Alone look() {
    if (cluster.state().members().size() <= 1) {
      alone.complete(null);
    }
    return this;
  }
}
