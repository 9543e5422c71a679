package dev.troupe.protocol.data;

/**
 * One step of AdamW.
 *
 * @param learningRate of this step
 * @param maxGradientNorm global L2 norm to clip to, 0 for no clipping
 */
public record StepSettings(
    double learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    double maxGradientNorm) {}
