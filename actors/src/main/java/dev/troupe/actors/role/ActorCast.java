package dev.troupe.actors.role;

import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
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

  /** By node on another JVM: completes when that has ended. */
  private final Map<ActorRef<Node.Command>, CompletableFuture<Void>> ends = new HashMap<>();

  /**
   * @param placement the node of a role, by the role's name
   * @param rolloutWorkers where prompts are answered with the policy's weights, a node as often as
   *     it has room for; empty when the policy answers them itself
   * @param others nodes on other JVMs, which may end
   * @param listener hears what each role is doing
   * @param deadline longest time that one request to a role may take
   */
  public ActorCast(
      ActorSystem<?> system,
      Function<String, ActorRef<Node.Command>> placement,
      List<ActorRef<Node.Command>> rolloutWorkers,
      Collection<ActorRef<Node.Command>> others,
      ActorRef<RoleStatus> listener,
      Duration deadline) {
    this.system = system;
    this.placement = placement;
    this.rolloutWorkers = List.copyOf(rolloutWorkers);
    this.listener = listener;
    this.deadline = deadline;
    watcher = system.systemActorOf(Watcher.create(), "watcher", Props.empty());
    for (ActorRef<Node.Command> node : others) {
      CompletableFuture<Void> end = new CompletableFuture<>();
      ends.put(node, end);
      watcher.tell(new Watcher.Watch(node, () -> end.complete(null)));
    }
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    CompletionStage<ActorRole> role =
        begun(spec, placement.apply(spec.name())).thenCompose(ActorRole::loaded);
    if (rolloutWorkers.isEmpty() || !spec.name().equals(POLICY)) {
      return role.thenApply(opened -> opened);
    }
    return role.thenApply(policy -> new SpreadRole(policy, () -> followers(spec), this::lost));
  }

  /** Roles that answer with whatever weights they are given; nothing for one whose node is gone. */
  private List<CompletionStage<Optional<ActorRole>>> followers(RoleSpec policy) {
    List<CompletionStage<Optional<ActorRole>>> all = new ArrayList<>();
    for (ActorRef<Node.Command> node : rolloutWorkers) {
      all.add(follower(policy.follower("rollout-" + (all.size() + 1)), node));
    }
    return all;
  }

  private CompletionStage<Optional<ActorRole>> follower(
      RoleSpec spec, ActorRef<Node.Command> node) {
    return begun(spec, node)
        .handle(
            (role, failure) -> {
              if (failure != null) {
                return without(spec, name(node), ended(node), failure);
              }
              return role.loaded()
                  .handle(
                      (loaded, unloaded) ->
                          unloaded == null
                              ? CompletableFuture.completedStage(Optional.of(loaded))
                              : without(spec, role.node(), role.isLost(), unloaded))
                  .thenCompose(answer -> answer);
            })
        .thenCompose(answer -> answer);
  }

  private CompletionStage<Optional<ActorRole>> without(
      RoleSpec spec, String node, boolean lost, Throwable failure) {
    if (!lost) {
      return CompletableFuture.failedStage(failure);
    }
    lost(spec.name(), node);
    return CompletableFuture.completedStage(Optional.empty());
  }

  private void lost(ActorRole role) {
    lost(role.spec().name(), role.node());
  }

  private void lost(String role, String node) {
    listener.tell(
        new RoleStatus(
            role,
            node,
            "failed",
            "its node ended; others answer its prompts",
            0,
            Map.of(),
            Map.of()));
  }

  private boolean ended(ActorRef<Node.Command> node) {
    CompletableFuture<Void> end = ends.get(node);
    return end != null && end.isDone();
  }

  /** Host and port. */
  private static String name(ActorRef<Node.Command> node) {
    return node.path().address().hostPort().replaceFirst(".*@", "");
  }

  /** There, and yet to load its model. */
  private CompletionStage<ActorRole> begun(RoleSpec spec, ActorRef<Node.Command> node) {
    CompletionStage<ActorRole> begun =
        AskPattern.<Node.Command, Node.Reply>ask(
                node,
                replyTo -> new Node.Open(spec, listener, replyTo),
                SPAWN_DEADLINE,
                system.scheduler())
            .thenApply(reply -> role(spec, (Node.Opened) reply));
    CompletableFuture<Void> end = ends.get(node);
    if (end == null) {
      return begun;
    }
    return begun.applyToEither(
        end.thenApply(
            gone -> {
              throw new RoleException(
                  "the "
                      + spec.name()
                      + " is lost: its node "
                      + name(node)
                      + " ended before it was there. See that node's log; the run can be resumed",
                  false);
            }),
        role -> role);
  }

  private ActorRole role(RoleSpec spec, Node.Opened opened) {
    ActorRole role = new ActorRole(spec, opened.node(), opened.worker(), system, deadline);
    // An actor system that ends under us, as one does that is out of memory, answers nothing more.
    system.getWhenTerminated().thenRun(role::lost);
    watcher.tell(new Watcher.Watch(opened.worker(), role::lost));
    return role;
  }
}
