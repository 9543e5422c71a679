package dev.troupe.actors.role;

import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import dev.troupe.rlhf.port.Role;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;

/** The port's role, done by a {@link RoleWorker}. */
final class ActorRole implements Role {
  private final RoleSpec spec;
  private final ActorRef<RoleWorker.Command> worker;

  ActorRole(RoleSpec spec, ActorRef<RoleWorker.Command> worker) {
    this.spec = spec;
    this.worker = worker;
  }

  @Override
  public RoleSpec spec() {
    return spec;
  }

  @Override
  public CompletionStage<List<Rollout>> generate(List<Prompt> prompts, SamplingSettings settings) {
    return ask("generate " + prompts.size(), engine -> engine.generate(prompts, settings));
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    return ask("evaluate " + sequences.size(), engine -> engine.evaluate(sequences, outputs));
  }

  @Override
  public <E extends Example> CompletionStage<UpdateResult> update(
      Objective<E> objective, List<E> examples) {
    return ask("train on " + examples.size(), engine -> engine.update(objective, examples));
  }

  @Override
  public CompletionStage<Void> save(String directory) {
    return act("save", engine -> engine.save(Path.of(directory)));
  }

  @Override
  public CompletionStage<Void> checkpoint(String directory) {
    return act("checkpoint", engine -> engine.checkpoint(Path.of(directory)));
  }

  @Override
  public CompletionStage<Void> restore(String directory) {
    return act("restore", engine -> engine.restore(Path.of(directory)));
  }

  @Override
  public CompletionStage<Void> close() {
    CompletableFuture<Object> answer = new CompletableFuture<>();
    worker.tell(new RoleWorker.Stop(answer));
    return answer.thenAccept(stopped -> {});
  }

  /** Opens the engine without asking anything of it. */
  CompletionStage<Role> opened() {
    return this.<Boolean>ask("load", engine -> true).thenApply(done -> this);
  }

  private CompletionStage<Void> act(
      String activity, java.util.function.Consumer<RoleEngine> action) {
    return this.<Boolean>ask(
            activity,
            engine -> {
              action.accept(engine);
              return true;
            })
        .thenAccept(done -> {});
  }

  @SuppressWarnings("unchecked") // the answer is what the work returned
  private <T> CompletableFuture<T> ask(String activity, Function<RoleEngine, T> work) {
    CompletableFuture<Object> answer = new CompletableFuture<>();
    worker.tell(new RoleWorker.Request(activity, work::apply, answer));
    return answer.thenApply(result -> (T) result);
  }
}
