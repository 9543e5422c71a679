package dev.troupe.actors.role;

import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;

/** Puts roles on the nodes that a placement says. */
public final class ActorCast implements Cast {
  private final ActorSystem<?> system;
  private final Placement placement;
  private final ActorRef<RoleStatus> listener;
  private final Duration deadline;
  private final Duration patience;
  private final Replicas.Terms terms;
  private final AtomicLong opened = new AtomicLong();
  private final ActorRef<Watcher.Command> watcher;
  private final List<ActorRef<RolloutDispatcher.Command>> dispatchers = new ArrayList<>();

  /** Nodes that have ended. */
  private final Set<ActorRef<Node.Command>> gone = new HashSet<>();

  /** Nodes with room for a worker more, as often as they have it, for roles that open later. */
  private final List<ActorRef<Node.Command>> gained = new ArrayList<>();

  /**
   * @param others nodes on other JVMs, which may end
   * @param listener hears what each role is doing
   * @param deadline longest time that one request to a worker may take
   * @param exchanging how replicas of a role exchange gradients
   * @param notices is told how they do
   * @param run what holds for all its roles
   * @param patience how long prompts wait for a worker when all are lost, as others may come
   */
  public ActorCast(
      ActorSystem<?> system,
      Placement placement,
      Collection<ActorRef<Node.Command>> others,
      ActorRef<RoleStatus> listener,
      Duration deadline,
      Exchanging exchanging,
      Consumer<String> notices,
      Node.Terms run,
      Duration patience) {
    this.system = system;
    this.placement = placement;
    this.listener = listener;
    this.deadline = deadline;
    this.patience = patience;
    terms = new Replicas.Terms(deadline, exchanging, notices, run);
    watcher = system.systemActorOf(Watcher.create(), "watcher", Props.empty());
    others.forEach(this::watch);
  }

  private void watch(ActorRef<Node.Command> node) {
    watcher.tell(new Watcher.Watch(node, () -> ended(node)));
  }

  private synchronized void ended(ActorRef<Node.Command> node) {
    gone.add(node);
    dispatchers.forEach(dispatcher -> dispatcher.tell(new RolloutDispatcher.Ended(node)));
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    List<ActorRef<Node.Command>> homes = placement.homes(spec.name());
    ActorRef<Node.Command> home = homes.size() == 1 ? homes.get(0) : several(spec, homes);
    ActorRef<RolloutDispatcher.Command> dispatcher =
        system.systemActorOf(
            RolloutDispatcher.create(
                spec,
                home,
                new RolloutDispatcher.Company(
                    placement.workers(spec.name()), listener, deadline, terms.node(), patience)),
            "role-" + spec.name() + "-" + opened.incrementAndGet(),
            Props.empty());
    tellWhatHappened(dispatcher);
    return new ActorRole(spec, Several.names(homes), dispatcher, system).loaded();
  }

  /** What opens a role on all of them, as though it were a node. */
  private ActorRef<Node.Command> several(RoleSpec spec, List<ActorRef<Node.Command>> homes) {
    return system.systemActorOf(
        Several.create(homes, terms),
        "replicas-" + spec.name() + "-" + opened.incrementAndGet(),
        Props.empty());
  }

  /** A role hears of every node that came or went, once, whether before or after it was opened. */
  private synchronized void tellWhatHappened(ActorRef<RolloutDispatcher.Command> dispatcher) {
    dispatchers.add(dispatcher);
    gone.forEach(node -> dispatcher.tell(new RolloutDispatcher.Ended(node)));
    gained.stream()
        .filter(node -> !gone.contains(node))
        .forEach(node -> dispatcher.tell(new RolloutDispatcher.Gained(node)));
  }

  /** A node on another JVM, where a worker more may answer prompts for any role asked to. */
  public synchronized void gained(ActorRef<Node.Command> node) {
    if (!gained.contains(node)) {
      watch(node);
    }
    gained.add(node);
    dispatchers.forEach(dispatcher -> dispatcher.tell(new RolloutDispatcher.Gained(node)));
  }
}
