package dev.troupe.protocol.data;

import java.util.List;
import java.util.Set;

/**
 * A loss over the few numbers a model gives per token: a pure function, carried to the role that
 * trains. Implementations are records of coefficients; a new algorithm writes one and touches no
 * engine code.
 *
 * @param <E> what one example carries
 */
public interface Objective<E extends Example> {
  /** What {@link #evaluate} reads. */
  Set<Output> needs();

  /**
   * Whether log-probabilities are compared with those of sampling, which then are computed by the
   * same operators if the role is to be exact ({@link Numerics#exact}).
   */
  default boolean comparesWithSampling() {
    return false;
  }

  /**
   * Loss and gradient of one micro-batch.
   *
   * @param examples the micro-batch
   * @param outputs per example, per sequence of that example, what the model said
   * @param totals of the whole optimiser step
   */
  LossGradient evaluate(List<E> examples, List<List<TokenOutputs>> outputs, BatchTotals totals);
}
