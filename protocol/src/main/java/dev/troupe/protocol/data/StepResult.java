package dev.troupe.protocol.data;

/**
 * What a step along the accumulated gradient did.
 *
 * @param gradientNorm before clipping
 * @param applied false when the gradient or the loss was not finite and the step was skipped
 * @param adapterVersion after the step
 */
public record StepResult(
    double gradientNorm, double learningRate, boolean applied, long adapterVersion) {}
