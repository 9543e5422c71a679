package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.DpoLoss;
import java.util.List;

/**
 * Direct preference optimisation (Rafailov et al. 2023).
 *
 * @param epochs passes over the pairs
 * @param batchSize pairs per optimiser step
 * @param variant of the loss
 * @param beta how hard the policy is held to the reference
 * @param labelSmoothing share of pairs taken to be labelled the wrong way round, below 0.5
 * @param sftCoefficient weight of an SFT loss on the chosen side, 0 for none
 * @param heldOut pairs kept out of training to measure accuracy on
 * @param evaluateEvery steps between measurements on the held-out pairs, 0 for none; they are
 *     always measured after
 * @param best which state is the result, by loss, accuracy or margin
 */
public record DpoConfig(
    int epochs,
    int batchSize,
    DpoLoss.Variant variant,
    double beta,
    double labelSmoothing,
    double sftCoefficient,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery,
    BestConfig best,
    EvaluationConfig evaluation) {
  public DpoConfig {
    Limits limits = new Limits();
    limits
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .above("beta", beta, 0)
        .atLeast("sft-coefficient", sftCoefficient, 0)
        .condition(
            "label-smoothing",
            labelSmoothing,
            labelSmoothing >= 0 && labelSmoothing < 0.5,
            "from 0 up to, not including, 0.5")
        .condition(
            "label-smoothing",
            labelSmoothing,
            labelSmoothing == 0 || variant.smooths(),
            "0 with the variant " + variant)
        .atLeast("held-out", heldOut, 1)
        .atLeast("evaluate-every", evaluateEvery, 0);
    best.check(
            limits,
            evaluateEvery,
            heldOut,
            List.of(HeldOutMeasure.LOSS, HeldOutMeasure.ACCURACY, HeldOutMeasure.MARGIN))
        .verify();
  }

  /** Optimiser steps over {@code pairs} training pairs; a last short batch counts. */
  public int totalSteps(int pairs) {
    return epochs * ((pairs + batchSize - 1) / batchSize);
  }
}
