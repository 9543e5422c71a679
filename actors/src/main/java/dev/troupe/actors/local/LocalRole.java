package dev.troupe.actors.local;

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
import java.util.concurrent.ExecutorService;

/** A role's engine on its own thread. */
final class LocalRole implements Role {
  private final RoleEngine engine;
  private final ExecutorService thread;

  LocalRole(RoleEngine engine, ExecutorService thread) {
    this.engine = engine;
    this.thread = thread;
  }

  @Override
  public RoleSpec spec() {
    return engine.spec();
  }

  @Override
  public CompletionStage<List<Rollout>> generate(List<Prompt> prompts, SamplingSettings settings) {
    return CompletableFuture.supplyAsync(() -> engine.generate(prompts, settings), thread);
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    return CompletableFuture.supplyAsync(() -> engine.evaluate(sequences, outputs), thread);
  }

  @Override
  public <E extends Example> CompletionStage<UpdateResult> update(
      Objective<E> objective, List<E> examples) {
    return CompletableFuture.supplyAsync(() -> engine.update(objective, examples), thread);
  }

  @Override
  public CompletionStage<Void> save(String directory) {
    return CompletableFuture.runAsync(() -> engine.save(Path.of(directory)), thread);
  }

  @Override
  public CompletionStage<Void> checkpoint(String directory) {
    return CompletableFuture.runAsync(() -> engine.checkpoint(Path.of(directory)), thread);
  }

  @Override
  public CompletionStage<Void> restore(String directory) {
    return CompletableFuture.runAsync(() -> engine.restore(Path.of(directory)), thread);
  }

  @Override
  public CompletionStage<Void> close() {
    return CompletableFuture.runAsync(engine::close, thread)
        .whenComplete((done, failure) -> thread.shutdown());
  }
}
