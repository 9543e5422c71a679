/**
 * The arithmetic of the algorithms: pure functions and {@link dev.troupe.protocol.data.Objective}s
 * made of them. Numbers in, numbers out; no I/O, logger, clock or randomness. Inputs and results
 * are floats, everything between is computed in double.
 *
 * <p>Letters: B examples, R response tokens of one example, N reads of one sequence. A vector of
 * one response has R elements and holds real response tokens only, so no mask is needed; where
 * there is one it is called {@code responseMask} and true means a token that counts.
 *
 * <p>Means are taken over the whole optimiser step ({@link dev.troupe.protocol.data.BatchTotals}):
 * losses and metrics of the micro-batches add up to those of the step.
 *
 * <p>docs/algorithms.md says which parts make which algorithm.
 */
@NullMarked
package dev.troupe.rlhf.loss;

import org.jspecify.annotations.NullMarked;
