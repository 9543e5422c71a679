package dev.troupe.actors.role;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;

/** Notices when an actor ends, so that nobody waits for an answer that cannot come. */
final class Watcher extends AbstractBehavior<Watcher.Command> {
  sealed interface Command {}

  /** Has {@code ended} run when the actor ends, at once when it has ended already. */
  record Watch(ActorRef<?> actor, Runnable ended) implements Command {}

  /** Takes that back. */
  record Forget(ActorRef<?> actor, Runnable ended) implements Command {}

  private record Ended(ActorRef<?> actor) implements Command {}

  private final Map<ActorRef<?>, List<Runnable>> watched = new HashMap<>();

  private Watcher(ActorContext<Command> context) {
    super(context);
  }

  static Behavior<Command> create() {
    return Behaviors.setup(Watcher::new);
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Watch.class, this::onWatch)
        .onMessage(Forget.class, this::onForget)
        .onMessage(Ended.class, this::onEnded)
        .build();
  }

  private Behavior<Command> onWatch(Watch watch) {
    List<Runnable> listeners = watched.get(watch.actor());
    if (listeners == null) {
      listeners = new ArrayList<>();
      watched.put(watch.actor(), listeners);
      getContext().watchWith(watch.actor(), new Ended(watch.actor()));
    }
    listeners.add(watch.ended());
    return this;
  }

  private Behavior<Command> onForget(Forget forget) {
    List<Runnable> listeners = watched.getOrDefault(forget.actor(), new ArrayList<>());
    listeners.remove(forget.ended());
    if (listeners.isEmpty() && watched.remove(forget.actor()) != null) {
      getContext().unwatch(forget.actor());
    }
    return this;
  }

  private Behavior<Command> onEnded(Ended ended) {
    watched.getOrDefault(ended.actor(), List.of()).forEach(Runnable::run);
    watched.remove(ended.actor());
    return this;
  }
}
