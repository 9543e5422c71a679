package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import java.util.List;

/**
 * Reward modelling from preference pairs, from scores, or from labels of steps.
 *
 * @param epochs passes over the data
 * @param batchSize pairs, or answers, per optimiser step
 * @param loss what it learns from, and of pairs where the two answers are compared
 * @param stepSeparator behind each step, with the loss STEPS
 * @param centerCoefficient weight of mean((chosen + rejected)²), which keeps scores around 0; 0 for
 *     none
 * @param heldOut pairs, or answers, kept out of training to measure on
 * @param evaluateEvery steps between measurements on what is held out, 0 for none; they are always
 *     measured before and after
 * @param best which state is the result: of pairs by loss, accuracy or margin, of steps by loss or
 *     accuracy, of scores by loss
 */
public record RewardModelConfig(
    int epochs,
    int batchSize,
    Loss loss,
    String stepSeparator,
    double centerCoefficient,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery,
    BestConfig best) {

  /** What a reward model learns from. */
  public enum Loss {
    /** Pairs, compared at each side's last token. */
    LAST_TOKEN,
    /** Pairs, compared at every token from where they part (DeepSpeed-Chat). */
    TOKEN_WISE,
    /** A score of each answer, at its last token. */
    REGRESSION,
    /** A label of each step of an answer, at the step's last token. */
    STEPS;

    /** Whether it is of pairs. */
    public boolean pairs() {
      return this == LAST_TOKEN || this == TOKEN_WISE;
    }

    private List<HeldOutMeasure> measures() {
      return switch (this) {
        case LAST_TOKEN, TOKEN_WISE ->
            List.of(HeldOutMeasure.LOSS, HeldOutMeasure.ACCURACY, HeldOutMeasure.MARGIN);
        case REGRESSION -> List.of(HeldOutMeasure.LOSS);
        case STEPS -> List.of(HeldOutMeasure.LOSS, HeldOutMeasure.ACCURACY);
      };
    }
  }

  public RewardModelConfig {
    Limits limits = new Limits();
    limits
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .atLeast("center-coefficient", centerCoefficient, 0)
        .condition(
            "center-coefficient",
            centerCoefficient,
            loss == Loss.LAST_TOKEN || centerCoefficient == 0,
            "0 with a loss other than last-token")
        .atLeast("held-out", heldOut, 1)
        .atLeast("evaluate-every", evaluateEvery, 0);
    best.check(limits, evaluateEvery, heldOut, loss.measures()).verify();
  }

  /** Optimiser steps over so many training samples; a last short batch counts. */
  public int totalSteps(int samples) {
    return epochs * ((samples + batchSize - 1) / batchSize);
  }
}
