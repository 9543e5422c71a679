package dev.troupe.tests;

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
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A role on the real engine, in the caller's thread. Answers are not sampled but given.
 *
 * @param answers to prompts, without log-probabilities, which are the engine's own
 * @param losses hears of each
 */
record EngineRole(
    RoleEngine engine, Function<List<Prompt>, List<Rollout>> answers, Consumer<Double> losses)
    implements Role {
  @Override
  public RoleSpec spec() {
    return engine.spec();
  }

  @Override
  public CompletionStage<List<List<Rollout>>> sample(
      List<Prompt> prompts, int count, SamplingSettings settings) {
    List<Rollout> given =
        answers.apply(
            prompts.stream().flatMap(it -> Collections.nCopies(count, it).stream()).toList());
    List<TokenOutputs> said =
        engine.evaluate(given.stream().map(Rollout::sequence).toList(), Set.of(Output.LOGPROBS));
    List<Rollout> rollouts = new ArrayList<>();
    for (int i = 0; i < given.size(); i++) {
      Rollout it = given.get(i);
      rollouts.add(
          new Rollout(
              it.prompt(),
              it.response(),
              it.text(),
              said.get(i).logprobs(),
              it.finish(),
              engine.adapterVersion()));
    }
    return done(Sampler.grouped(prompts, count, rollouts));
  }

  @Override
  public CompletionStage<List<TokenOutputs>> evaluate(
      List<Sequence> sequences, Set<Output> outputs) {
    return done(engine.evaluate(sequences, outputs));
  }

  @Override
  public <E extends Example> CompletionStage<Accumulated> accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals) {
    Accumulated accumulated = engine.accumulate(objective, examples, totals);
    losses.accept(accumulated.loss());
    return done(accumulated);
  }

  @Override
  public CompletionStage<StepResult> step(Optional<StepSettings> settings) {
    return done(engine.step(settings));
  }

  @Override
  public CompletionStage<Void> save(String directory) {
    engine.save(Path.of(directory));
    return done(null);
  }

  @Override
  public CompletionStage<Void> checkpoint(String directory) {
    engine.checkpoint(Path.of(directory));
    return done(null);
  }

  @Override
  public CompletionStage<Void> restore(String directory) {
    engine.restore(Path.of(directory));
    return done(null);
  }

  @Override
  public CompletionStage<Void> close() {
    engine.close();
    return done(null);
  }

  private static <T> CompletionStage<T> done(T value) {
    return CompletableFuture.completedFuture(value);
  }
}
