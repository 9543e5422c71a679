package dev.troupe.rlhf.recipe;

/**
 * Reward modelling from preference pairs.
 *
 * @param epochs passes over the pairs
 * @param batchSize pairs per optimiser step
 * @param loss where the two answers are compared
 * @param centerCoefficient weight of mean((chosen + rejected)²), which keeps scores around 0; 0 for
 *     none
 * @param heldOut pairs kept out of training to measure accuracy on
 */
public record RewardModelConfig(
    int epochs,
    int batchSize,
    Loss loss,
    double centerCoefficient,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut) {
  /** Where the two answers' scores are compared. */
  public enum Loss {
    /** Bradley and Terry on the score of the last token. */
    LAST_TOKEN,
    /** DeepSpeed-Chat: on every token from where the answers part. */
    TOKEN_WISE
  }

  public RewardModelConfig {
    new Limits()
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .atLeast("center-coefficient", centerCoefficient, 0)
        .atLeast("held-out", heldOut, 1)
        .verify();
  }

  /** Optimiser steps over {@code pairs} training pairs; a last short batch counts. */
  public int totalSteps(int pairs) {
    return epochs * ((pairs + batchSize - 1) / batchSize);
  }
}
