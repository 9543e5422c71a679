package dev.troupe.actors.role;

import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.time.Duration;
import java.util.Collection;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;

/** Puts roles on the nodes that a placement says. */
public final class ActorCast implements Cast {
  private final ActorSystem<?> system;
  private final Placement placement;
  private final ActorRef<RoleStatus> listener;
  private final Duration deadline;
  private final AtomicLong opened = new AtomicLong();
  private final ActorRef<Watcher.Command> watcher;
  private final Queue<ActorRef<RolloutDispatcher.Command>> dispatchers =
      new ConcurrentLinkedQueue<>();

  /** Nodes that have ended. */
  private final Set<ActorRef<Node.Command>> gone = ConcurrentHashMap.newKeySet();

  /**
   * @param others nodes on other JVMs, which may end
   * @param listener hears what each role is doing
   * @param deadline longest time that one request to a worker may take
   */
  public ActorCast(
      ActorSystem<?> system,
      Placement placement,
      Collection<ActorRef<Node.Command>> others,
      ActorRef<RoleStatus> listener,
      Duration deadline) {
    this.system = system;
    this.placement = placement;
    this.listener = listener;
    this.deadline = deadline;
    watcher = system.systemActorOf(Watcher.create(), "watcher", Props.empty());
    others.forEach(this::watch);
  }

  private void watch(ActorRef<Node.Command> node) {
    watcher.tell(
        new Watcher.Watch(
            node,
            () -> {
              gone.add(node);
              dispatchers.forEach(dispatcher -> dispatcher.tell(new RolloutDispatcher.Ended(node)));
            }));
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    ActorRef<Node.Command> home = placement.home(spec.name());
    ActorRef<RolloutDispatcher.Command> dispatcher =
        system.systemActorOf(
            RolloutDispatcher.create(
                spec,
                home,
                new RolloutDispatcher.Company(placement.workers(spec.name()), listener, deadline)),
            "role-" + spec.name() + "-" + opened.incrementAndGet(),
            Props.empty());
    dispatchers.add(dispatcher);
    gone.forEach(node -> dispatcher.tell(new RolloutDispatcher.Ended(node)));
    return new ActorRole(spec, Member.name(home), dispatcher, system).loaded();
  }

  /** A node on another JVM, where a worker more may answer prompts for any role asked to. */
  public void gained(ActorRef<Node.Command> node) {
    watch(node);
    dispatchers.forEach(dispatcher -> dispatcher.tell(new RolloutDispatcher.Gained(node)));
  }
}
