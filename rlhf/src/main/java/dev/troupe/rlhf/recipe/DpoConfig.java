package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.loss.DpoLoss;

/**
 * Direct preference optimisation (Rafailov et al. 2023), and without a reference CPO and SimPO.
 *
 * @param epochs passes over the pairs
 * @param batchSize pairs per optimiser step
 * @param variant of the loss
 * @param reference what the policy's preference is compared with
 * @param beta how hard the policy is held to the reference; without one, the preference's scale
 * @param labelSmoothing share of pairs taken to be labelled the wrong way round, below 0.5
 * @param targetMargin by how much beta times the preference is to exceed 0 (SimPO's gamma)
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
    Reference reference,
    double beta,
    double labelSmoothing,
    double targetMargin,
    double sftCoefficient,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery,
    BestConfig best,
    EvaluationConfig evaluation)
    implements PreferenceConfig {

  /** What the policy's preference is compared with. */
  public enum Reference {
    /** The policy as the stage finds it: DPO. */
    START,
    /** Nothing: CPO, SimPO. */
    NONE
  }

  public DpoConfig {
    PreferenceConfig.limits(epochs, batchSize, beta, heldOut, evaluateEvery, best)
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
        .atLeast("target-margin", targetMargin, 0)
        .condition(
            "target-margin",
            targetMargin,
            targetMargin == 0 || variant.hasMargin(),
            "0 with the variant " + variant)
        .verify();
  }
}
