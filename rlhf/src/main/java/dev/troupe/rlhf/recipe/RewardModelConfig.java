package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.RewardObjective;
import java.util.List;

/**
 * Reward modelling from preference pairs.
 *
 * @param epochs passes over the pairs
 * @param batchSize pairs per optimiser step
 * @param loss where the two answers are compared
 * @param centerCoefficient weight of mean((chosen + rejected)²), which keeps scores around 0; 0 for
 *     none
 * @param heldOut pairs kept out of training to measure accuracy on
 * @param evaluateEvery steps between measurements on the held-out pairs, 0 for none; they are
 *     always measured before and after
 * @param best which state is the result, by loss, accuracy or margin
 */
public record RewardModelConfig(
    int epochs,
    int batchSize,
    RewardObjective.Kind loss,
    double centerCoefficient,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery,
    BestConfig best) {
  public RewardModelConfig {
    Limits limits = new Limits();
    limits
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .atLeast("center-coefficient", centerCoefficient, 0)
        .condition(
            "center-coefficient",
            centerCoefficient,
            loss == RewardObjective.Kind.LAST_TOKEN || centerCoefficient == 0,
            "0 with the token-wise loss")
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
