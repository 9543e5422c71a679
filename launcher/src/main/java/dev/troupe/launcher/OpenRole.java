package dev.troupe.launcher;

import dev.troupe.engine.RoleEngine;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.rlhf.port.Role;
import dev.troupe.rlhf.port.Sampler;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** A frozen role on an engine of this JVM. It works in the caller's thread, one at a time. */
record OpenRole(RoleEngine engine) implements Role {
  @Override
  public RoleSpec spec() {
    return engine.spec();
  }

  @Override
  public CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int answers, SamplingSettings settings) {
    List<Rollout> rollouts = engine.generate(prompts, answers, settings);
    return CompletableFuture.completedFuture(Sampler.grouped(prompts, answers, rollouts));
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    return CompletableFuture.completedFuture(engine.evaluate(sequences, outputs));
  }

  @Override
  public <E extends Example> CompletionStage<Accumulated> accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals) {
    throw frozen();
  }

  @Override
  public CompletionStage<StepResult> step(Optional<StepSettings> settings) {
    throw frozen();
  }

  @Override
  public CompletionStage<Void> save(String directory) {
    throw frozen();
  }

  @Override
  public CompletionStage<Void> checkpoint(String directory) {
    throw frozen();
  }

  @Override
  public CompletionStage<Void> restore(String directory) {
    throw frozen();
  }

  private static UnsupportedOperationException frozen() {
    return new UnsupportedOperationException("the role was opened to be measured, not trained");
  }

  @Override
  public CompletionStage<Void> close() {
    engine.close();
    return CompletableFuture.completedFuture(null);
  }
}
