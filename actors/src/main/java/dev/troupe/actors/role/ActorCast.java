package dev.troupe.actors.role;

import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.time.Duration;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.SpawnProtocol;
import org.apache.pekko.actor.typed.javadsl.AskPattern;

/** Roles as actors of this JVM; they share the bases that the factory shares. */
public final class ActorCast implements Cast {
  private static final Duration SPAWN_TIMEOUT = Duration.ofSeconds(30);

  private final ActorSystem<SpawnProtocol.Command> system;
  private final RoleEngine.Factory engines;
  private final Function<RoleSpec, RoleState> states;
  private final AtomicLong spawned = new AtomicLong();

  /**
   * @param states who hears of each role's doings
   */
  public ActorCast(
      ActorSystem<SpawnProtocol.Command> system,
      RoleEngine.Factory engines,
      Function<RoleSpec, RoleState> states) {
    this.system = system;
    this.engines = engines;
    this.states = states;
  }

  @Override
  public CompletionStage<Role> open(RoleSpec spec) {
    var behavior = RoleWorker.create(spec.name(), () -> engines.open(spec), states.apply(spec));
    CompletionStage<ActorRef<RoleWorker.Command>> worker =
        AskPattern.ask(
            system,
            replyTo ->
                new SpawnProtocol.Spawn<>(
                    behavior,
                    spec.name() + "-" + spawned.incrementAndGet(),
                    Props.empty(),
                    replyTo),
            SPAWN_TIMEOUT,
            system.scheduler());
    return worker.thenCompose(reference -> new ActorRole(spec, reference).opened());
  }
}
