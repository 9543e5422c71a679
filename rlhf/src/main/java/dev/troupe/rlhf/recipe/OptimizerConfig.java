package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.rlhf.limits.Limits;

/**
 * AdamW and its learning rate.
 *
 * @param learningRate peak, after warm-up
 * @param schedule after warm-up: constant, linear or cosine down to 0
 * @param warmupSteps of linear rise
 * @param maxGradientNorm global L2 norm to clip to, 0 for no clipping
 * @param microBatchTokens tokens, padding included, through the model at once; 0 lets the engine
 *     choose
 * @param recompute whether the backward pass computes activations again instead of keeping them
 *     (Chen et al. 2016): less memory, more time, the same result
 */
public record OptimizerConfig(
    double learningRate,
    LearningRateSchedule.Shape schedule,
    int warmupSteps,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    double maxGradientNorm,
    int microBatchTokens,
    boolean recompute) {
  public OptimizerConfig {
    new Limits()
        .above("learning-rate", learningRate, 0)
        .atLeast("warmup-steps", warmupSteps, 0)
        .fraction("beta1", beta1)
        .fraction("beta2", beta2)
        .above("epsilon", epsilon, 0)
        .atLeast("weight-decay", weightDecay, 0)
        .atLeast("max-gradient-norm", maxGradientNorm, 0)
        .atLeast("micro-batch-tokens", microBatchTokens, 0)
        .verify();
  }

  /**
   * With the schedule stretched over the stage.
   *
   * @param totalSteps optimiser steps of the whole stage
   */
  public OptimizerSettings settings(int totalSteps) {
    return new OptimizerSettings(
        new LearningRateSchedule(schedule, learningRate, warmupSteps, totalSteps),
        beta1,
        beta2,
        epsilon,
        weightDecay,
        maxGradientNorm,
        microBatchTokens,
        recompute,
        false);
  }
}
