package dev.troupe.actors.role;

import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.javadsl.AskPattern;

/** Puts roles on the nodes that a placement says. */
public final class ActorCast implements Cast {
  private static final String POLICY = "policy";
  private static final Duration SPAWN_DEADLINE = Duration.ofMinutes(3);

  private final ActorSystem<?> system;
  private final Function<String, ActorRef<Node.Command>> placement;
  private final List<ActorRef<Node.Command>> rolloutWorkers;
  private final ActorRef<RoleStatus> listener;
  private final ActorRef<Watcher.Command> watcher;
  private final Duration deadline;

  /**
   * @param placement the node of a role, by the role's name
   * @param rolloutWorkers where prompts are answered with the policy's weights, a node as often as
   *     it has room for; empty when the policy answers them itself
   * @param listener hears what each role is doing
   * @param deadline longest time that one request to a role may take
   */
  public ActorCast(
      ActorSystem<?> system,
      Function<String, ActorRef<Node.Command>> placement,
      List<ActorRef<Node.Command>> rolloutWorkers,
      ActorRef<RoleStatus> listener,
      Duration deadline) {
    this.system = system;
    this.placement = placement;
    this.rolloutWorkers = List.copyOf(rolloutWorkers);
    this.listener = listener;
    this.deadline = deadline;
    watcher = system.systemActorOf(Watcher.create(), "watcher", Props.empty());
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    CompletionStage<ActorRole> role = open(spec, placement.apply(spec.name()));
    if (rolloutWorkers.isEmpty() || !spec.name().equals(POLICY)) {
      return role.thenApply(opened -> opened);
    }
    return role.thenApply(policy -> new SpreadRole(policy, () -> followers(spec), this::lost));
  }

  /** Roles that answer with whatever weights they are given. */
  private List<CompletionStage<ActorRole>> followers(RoleSpec policy) {
    List<CompletionStage<ActorRole>> all = new ArrayList<>();
    for (ActorRef<Node.Command> node : rolloutWorkers) {
      all.add(open(policy.follower("rollout-" + (all.size() + 1)), node));
    }
    return all;
  }

  private void lost(ActorRole role) {
    listener.tell(
        new RoleStatus(
            role.spec().name(),
            role.node(),
            "failed",
            "its node ended; others answer its prompts",
            0,
            Map.of(),
            Map.of()));
  }

  private CompletionStage<ActorRole> open(RoleSpec spec, ActorRef<Node.Command> node) {
    return AskPattern.<Node.Command, Node.Reply>ask(
            node,
            replyTo -> new Node.Open(spec, listener, replyTo),
            SPAWN_DEADLINE,
            system.scheduler())
        .thenCompose(reply -> role(spec, (Node.Opened) reply));
  }

  private CompletionStage<ActorRole> role(RoleSpec spec, Node.Opened opened) {
    ActorRole role = new ActorRole(spec, opened.node(), opened.worker(), system, deadline);
    // An actor system that ends under us, as one does that is out of memory, answers nothing more.
    system.getWhenTerminated().thenRun(role::lost);
    watcher.tell(new Watcher.Watch(opened.worker(), role::lost));
    return role.loaded();
  }
}
