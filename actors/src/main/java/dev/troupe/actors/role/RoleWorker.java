package dev.troupe.actors.role;

import dev.troupe.engine.RoleEngine;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.AbstractBehavior;
import org.apache.pekko.actor.typed.javadsl.ActorContext;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.actor.typed.javadsl.Receive;
import org.jspecify.annotations.Nullable;

/**
 * One role's actor. It owns the engine and a thread to run it on; requests are carried out one
 * after another in the order they came, and the actor itself never waits.
 */
final class RoleWorker extends AbstractBehavior<RoleWorker.Command> {
  /** What a role worker accepts, from this JVM. */
  sealed interface Command permits Request, Done, Stop {}

  /** Work for the engine; the answer completes with its result or its failure. */
  record Request(
      String activity, Function<RoleEngine, Object> work, CompletableFuture<Object> answer)
      implements Command {}

  /** The thread is free again. */
  record Done(
      CompletableFuture<Object> answer, @Nullable Object result, @Nullable Throwable failure)
      implements Command {}

  /** Frees the engine after all requests before it. */
  record Stop(CompletableFuture<Object> answer) implements Command {}

  private final ExecutorService thread;
  private final Supplier<RoleEngine> opener;
  private final RoleState state;
  private final Deque<Command> waiting = new ArrayDeque<>();
  private @Nullable RoleEngine engine;
  private boolean busy;
  private boolean stopping;

  private RoleWorker(
      ActorContext<Command> context, String role, Supplier<RoleEngine> opener, RoleState state) {
    super(context);
    this.opener = opener;
    this.state = state;
    this.thread =
        Executors.newSingleThreadExecutor(
            task -> {
              Thread pinned = new Thread(task, "role-" + role);
              pinned.setDaemon(true);
              return pinned;
            });
  }

  /** The engine is opened by the first request, on the role's thread. */
  static Behavior<Command> create(String role, Supplier<RoleEngine> opener, RoleState state) {
    return Behaviors.setup(context -> new RoleWorker(context, role, opener, state));
  }

  @Override
  public Receive<Command> createReceive() {
    return newReceiveBuilder()
        .onMessage(Request.class, this::onCommand)
        .onMessage(Stop.class, this::onCommand)
        .onMessage(Done.class, this::onDone)
        .build();
  }

  private Behavior<Command> onCommand(Command command) {
    waiting.add(command);
    return next();
  }

  private Behavior<Command> onDone(Done done) {
    busy = false;
    if (done.failure() == null) {
      done.answer().complete(done.result());
    } else {
      state.changed("failed", String.valueOf(done.failure().getMessage()), engine);
      done.answer().completeExceptionally(done.failure());
    }
    if (stopping) {
      thread.shutdown();
      state.changed("stopped", "", null);
      return Behaviors.stopped();
    }
    if (waiting.isEmpty()) {
      state.changed("idle", "", engine);
    }
    return next();
  }

  private Behavior<Command> next() {
    if (busy || waiting.isEmpty()) {
      return this;
    }
    busy = true;
    Command command = waiting.remove();
    if (command instanceof Request request) {
      state.changed(engine == null ? "starting" : "busy", request.activity(), engine);
      run(request.answer(), () -> request.work().apply(opened()));
    } else if (command instanceof Stop stop) {
      stopping = true;
      run(
          stop.answer(),
          () -> {
            if (engine != null) {
              engine.close();
            }
            return true;
          });
    }
    return this;
  }

  private RoleEngine opened() {
    RoleEngine open = engine;
    if (open == null) {
      open = opener.get();
      engine = open;
    }
    return open;
  }

  private void run(CompletableFuture<Object> answer, Supplier<Object> work) {
    var self = getContext().getSelf();
    thread.execute(
        () -> {
          try {
            self.tell(new Done(answer, work.get(), null));
          } catch (RuntimeException | Error e) {
            self.tell(new Done(answer, null, e));
          }
        });
  }
}
