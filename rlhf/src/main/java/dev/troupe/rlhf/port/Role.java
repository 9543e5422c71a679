package dev.troupe.rlhf.port;

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
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionStage;

/**
 * One role of a run, wherever it lives. Requests to one role are carried out in order; roles work
 * side by side.
 */
public interface Role {
  RoleSpec spec();

  /** One rollout per prompt, in the prompts' order, with the newest adapter. */
  CompletionStage<List<Rollout>> generate(List<Prompt> prompts, SamplingSettings settings);

  /** What the model says of given sequences, in their order. */
  CompletionStage<List<TokenOutputs>> evaluate(List<Sequence> sequences, Set<Output> outputs);

  /** One optimiser step over these examples, in micro-batches. */
  <E extends Example> CompletionStage<UpdateResult> update(
      Objective<E> objective, List<E> examples);

  /** Writes the adapter (PEFT layout) and head, or the whole checkpoint of a fully tuned role. */
  CompletionStage<Void> save(String directory);

  /** Writes everything a later {@link #restore} needs: parameters, optimiser moments, step, EMA. */
  CompletionStage<Void> checkpoint(String directory);

  /** Takes up the state that {@link #checkpoint} wrote. */
  CompletionStage<Void> restore(String directory);

  /** Frees the role's memory. */
  CompletionStage<Void> close();
}
