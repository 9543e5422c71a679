package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.data.Trained;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftObjective;
import java.util.List;

/**
 * Supervised fine-tuning.
 *
 * @param epochs passes over the data
 * @param batchSize sequences per optimiser step
 * @param trainOn which tokens are learned
 * @param averaging what the loss divides by
 * @param weighting of each token's loss; the held-out loss has none
 * @param packing whether sequences go through the model end to end, each attending to itself, and
 *     not padded to the longest of their micro-batch
 * @param heldOut sequences kept out of training to measure the loss on
 * @param evaluateEvery steps between measurements of the held-out loss, 0 for none; it is always
 *     measured before and after
 * @param best which state is the result, by the loss
 */
public record SftConfig(
    int epochs,
    int batchSize,
    Trained trainOn,
    Averaging averaging,
    SftObjective.Weighting weighting,
    boolean packing,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery,
    BestConfig best) {
  public SftConfig {
    Limits limits = new Limits();
    limits
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .condition(
            "averaging",
            "micro-batch",
            !packing || averaging != Averaging.MICRO_BATCH,
            "global-token or sequence with packing, which chooses what is in a micro-batch",
            "packing")
        .atLeast("held-out", heldOut, 0)
        .atLeast("evaluate-every", evaluateEvery, 0);
    best.check(limits, evaluateEvery, heldOut, List.of(HeldOutMeasure.LOSS)).verify();
  }

  /** Optimiser steps over {@code examples} training sequences; a last short batch counts. */
  public int totalSteps(int examples) {
    return epochs * ((examples + batchSize - 1) / batchSize);
  }
}
