package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.UpdateResult;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionStage;

/** Learns. Requests are carried out in the order in which they are made. */
public interface Learner {
  /** What the model says of given sequences, in their order. */
  CompletionStage<List<TokenOutputs>> evaluate(List<Sequence> sequences, Set<Output> outputs);

  /**
   * Adds the gradient of an objective over these examples to that of the next {@link #step}, in
   * micro-batches. Several calls, of one objective or of several, add up. One that fails gives up
   * all that was accumulated.
   *
   * @param totals of all examples of this objective that the step will have seen, these included:
   *     what its means divide by
   */
  <E extends Example> CompletionStage<Accumulated> accumulate(
      Objective<E> objective, List<E> examples, BatchTotals totals);

  /**
   * One optimiser step along what was accumulated, which is then gone. Fails where nothing was. A
   * gradient that is not finite is skipped and reported in the result.
   *
   * @param settings of this step; absent for those of the role's spec, whose schedule counts every
   *     step
   */
  CompletionStage<StepResult> step(Optional<StepSettings> settings);

  /** A step with the settings of the role's spec. */
  default CompletionStage<StepResult> step() {
    return step(Optional.empty());
  }

  /** One optimiser step over these examples alone. */
  default <E extends Example> CompletionStage<UpdateResult> update(
      Objective<E> objective, List<E> examples) {
    // Both are requested at once, so that no other request comes between them.
    CompletionStage<Accumulated> accumulated =
        accumulate(objective, examples, BatchTotals.of(examples));
    return accumulated.thenCombine(step(), UpdateResult::of);
  }

  /** Writes the adapter (PEFT layout) and head, or the whole checkpoint of a fully tuned role. */
  CompletionStage<Void> save(String directory);

  /**
   * Writes everything a later {@link #restore} needs: parameters, optimiser moments, step, EMA.
   * Fails between an accumulation and its step, which it could not keep.
   */
  CompletionStage<Void> checkpoint(String directory);

  /** Takes up the state that {@link #checkpoint} wrote; what was accumulated is given up. */
  CompletionStage<Void> restore(String directory);
}
