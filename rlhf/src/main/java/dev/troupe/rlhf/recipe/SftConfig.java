package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.data.Trained;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.Averaging;

/**
 * Supervised fine-tuning.
 *
 * @param epochs passes over the data
 * @param batchSize sequences per optimiser step
 * @param trainOn which tokens are learned
 * @param averaging what the loss divides by
 * @param heldOut sequences kept out of training to measure the loss on
 * @param evaluateEvery steps between measurements of the held-out loss; it is always measured
 *     before and after
 */
public record SftConfig(
    int epochs,
    int batchSize,
    Trained trainOn,
    Averaging averaging,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery) {
  public SftConfig {
    new Limits()
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .atLeast("held-out", heldOut, 0)
        .atLeast("evaluate-every", evaluateEvery, 1)
        .verify();
  }

  /** Optimiser steps over {@code examples} training sequences; a last short batch counts. */
  public int totalSteps(int examples) {
    return epochs * ((examples + batchSize - 1) / batchSize);
  }
}
