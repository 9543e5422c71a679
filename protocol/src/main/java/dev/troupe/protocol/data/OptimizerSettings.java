package dev.troupe.protocol.data;

/**
 * AdamW (Loshchilov and Hutter 2019) and what surrounds it.
 *
 * @param maxGradientNorm global L2 norm to clip to, 0 for no clipping
 * @param microBatchTokens tokens, padding included, that go through the model at once; 0 lets the
 *     engine choose
 * @param recompute whether the backward pass computes activations again instead of keeping them
 * @param packing whether sequences of a micro-batch go through the model end to end, each attending
 *     to itself, and not padded to the longest
 */
public record OptimizerSettings(
    LearningRateSchedule learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    double maxGradientNorm,
    int microBatchTokens,
    boolean recompute,
    boolean packing) {
  /** Keeps the activations, and does not pack. */
  public OptimizerSettings(
      LearningRateSchedule learningRate,
      double beta1,
      double beta2,
      double epsilon,
      double weightDecay,
      double maxGradientNorm,
      int microBatchTokens) {
    this(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        maxGradientNorm,
        microBatchTokens,
        false,
        false);
  }

  /** The same with or without packing. */
  public OptimizerSettings packing(boolean whether) {
    return new OptimizerSettings(
        learningRate,
        beta1,
        beta2,
        epsilon,
        weightDecay,
        maxGradientNorm,
        microBatchTokens,
        recompute,
        whether);
  }

  /** What the schedule has for a step, the first being 0. */
  public StepSettings at(long step) {
    return new StepSettings(
        learningRate.at(step), beta1, beta2, epsilon, weightDecay, maxGradientNorm);
  }
}
