package dev.troupe.actors.role;

import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.time.Duration;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.javadsl.AskPattern;

/** Puts roles on the nodes that a placement says. */
public final class ActorCast implements Cast {
  private static final Duration SPAWN_DEADLINE = Duration.ofSeconds(30);

  private final ActorSystem<?> system;
  private final Function<String, ActorRef<Node.Command>> placement;
  private final ActorRef<RoleStatus> listener;
  private final ActorRef<Watcher.Command> watcher;
  private final Duration deadline;

  /**
   * @param placement the node of a role, by the role's name
   * @param listener hears what each role is doing
   * @param deadline longest time that one request to a role may take
   */
  public ActorCast(
      ActorSystem<?> system,
      Function<String, ActorRef<Node.Command>> placement,
      ActorRef<RoleStatus> listener,
      Duration deadline) {
    this.system = system;
    this.placement = placement;
    this.listener = listener;
    this.deadline = deadline;
    watcher = system.systemActorOf(Watcher.create(), "watcher", Props.empty());
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    return AskPattern.<Node.Command, Node.Reply>ask(
            placement.apply(spec.name()),
            replyTo -> new Node.Open(spec, listener, replyTo),
            SPAWN_DEADLINE,
            system.scheduler())
        .thenCompose(reply -> role(spec, (Node.Opened) reply));
  }

  private CompletionStage<Role> role(RoleSpec spec, Node.Opened opened) {
    ActorRole role = new ActorRole(spec, opened.node(), opened.worker(), system, deadline);
    watcher.tell(new Watcher.Watch(opened.worker(), role::lost));
    return role.loaded();
  }
}
