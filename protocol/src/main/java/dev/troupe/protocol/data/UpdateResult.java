package dev.troupe.protocol.data;

import java.util.Map;

/**
 * What one optimiser step on one objective did.
 *
 * @param loss over the whole step
 * @param gradientNorm before clipping
 * @param applied false when the gradient was not finite and the step was skipped
 * @param adapterVersion after the step
 * @param metrics of the objective, summed over micro-batches
 */
public record UpdateResult(
    double loss,
    double gradientNorm,
    double learningRate,
    boolean applied,
    long adapterVersion,
    Map<String, Double> metrics) {
  /** Of a step along a gradient that was accumulated in one call. */
  public static UpdateResult of(Accumulated accumulated, StepResult step) {
    return new UpdateResult(
        accumulated.loss(),
        step.gradientNorm(),
        step.learningRate(),
        step.applied(),
        step.adapterVersion(),
        accumulated.metrics());
  }
}
