package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import java.util.List;

/** What the configurations of all algorithms have that learn from preferences. */
public interface PreferenceConfig {
  /** Passes over the data. */
  int epochs();

  /** Samples per optimiser step: pairs, or single answers. */
  int batchSize();

  TuningConfig tuning();

  OptimizerConfig optimizer();

  /** Samples kept out of training. */
  int heldOut();

  /** Steps between measurements on what is held out, 0 for none. */
  int evaluateEvery();

  BestConfig best();

  EvaluationConfig evaluation();

  /** Optimiser steps over so many training samples; a last short batch counts. */
  default int totalSteps(int samples) {
    return epochs() * ((samples + batchSize() - 1) / batchSize());
  }

  /** What is checked of all of them; a record's own constructor goes on from here. */
  static Limits limits(
      int epochs, int batchSize, double beta, int heldOut, int evaluateEvery, BestConfig best) {
    Limits limits = new Limits();
    limits
        .atLeast("epochs", epochs, 1)
        .atLeast("batch-size", batchSize, 1)
        .above("beta", beta, 0)
        .atLeast("held-out", heldOut, 1)
        .atLeast("evaluate-every", evaluateEvery, 0);
    return best.check(
        limits,
        evaluateEvery,
        heldOut,
        List.of(HeldOutMeasure.LOSS, HeldOutMeasure.ACCURACY, HeldOutMeasure.MARGIN));
  }
}
