package dev.troupe.rlhf.recipe;

/**
 * Direct preference optimisation (Rafailov et al. 2023).
 *
 * @param epochs passes over the pairs
 * @param batchSize pairs per optimiser step
 * @param variant of the loss
 * @param beta how hard the policy is held to the reference
 * @param labelSmoothing share of pairs taken to be labelled the wrong way round, below 0.5
 * @param heldOut pairs kept out of training to measure accuracy on
 */
public record DpoConfig(
    int epochs,
    int batchSize,
    Variant variant,
    double beta,
    double labelSmoothing,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    EvaluationConfig evaluation) {
  /** The loss on the margin. */
  public enum Variant {
    /** Logistic loss on the margin of summed log-ratios. */
    SIGMOID,
    /** Squared distance of the margin to 1/(2 beta) (Azar et al. 2023). */
    IPO
  }

  public DpoConfig {
    new Limits()
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .above("beta", beta, 0)
        .condition(
            "label-smoothing",
            labelSmoothing,
            labelSmoothing >= 0 && labelSmoothing < 0.5,
            "from 0 up to, not including, 0.5")
        .atLeast("held-out", heldOut, 1)
        .verify();
  }

  /** Optimiser steps over {@code pairs} training pairs; a last short batch counts. */
  public int totalSteps(int pairs) {
    return epochs * ((pairs + batchSize - 1) / batchSize);
  }
}
