package dev.troupe.rlhf.recipe;

import java.util.Locale;
import java.util.Optional;

/**
 * KTO (Ethayarajh et al. 2024): from answers judged one by one.
 *
 * @param epochs passes over the answers
 * @param batchSize answers per optimiser step, at least 2: the reference point is of each prompt
 *     with another's answer
 * @param beta how hard the policy is held to the reference
 * @param desirableWeight of answers found good
 * @param undesirableWeight of answers found bad
 * @param sftCoefficient weight of an SFT loss on good answers, 0 for none
 * @param heldOut answers kept out of training to measure accuracy on; of pairs, both go together
 * @param evaluateEvery steps between measurements on the held-out answers, 0 for none; they are
 *     always measured after
 * @param best which state is the result, by loss, accuracy or margin
 */
public record KtoConfig(
    int epochs,
    int batchSize,
    double beta,
    double desirableWeight,
    double undesirableWeight,
    double sftCoefficient,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery,
    BestConfig best,
    EvaluationConfig evaluation)
    implements PreferenceConfig {
  private static final double TOLERANCE = 0.01;

  public KtoConfig {
    PreferenceConfig.limits(epochs, batchSize, beta, heldOut, evaluateEvery, best)
        .condition(
            "batch-size",
            batchSize,
            batchSize != 1,
            "at least 2: KTO's reference point is of a prompt with another's answer")
        .condition(
            "held-out",
            heldOut,
            heldOut != 1,
            "at least 2: KTO's reference point is of a prompt with another's answer")
        .above("desirable-weight", desirableWeight, 0)
        .above("undesirable-weight", undesirableWeight, 0)
        .atLeast("sft-coefficient", sftCoefficient, 0)
        .verify();
  }

  /**
   * What to say where the weighted counts of good and bad answers are outside of 1:1 to 4:3 (the
   * paper's section 4.2; TRL).
   *
   * @param good answers, at least one
   * @param bad likewise
   */
  public Optional<String> imbalance(long good, long bad) {
    double ratio = desirableWeight * good / (undesirableWeight * bad);
    double parity = (double) bad / good * undesirableWeight;
    // Weights are written with two digits.
    return ratio >= 1 - TOLERANCE && ratio <= 4.0 / 3 + TOLERANCE
        ? Optional.empty()
        : Optional.of(
            String.format(
                Locale.ROOT,
                "%d good and %d bad answers: weighted they are %.2f to 1, and 1 to 1.33 is"
                    + " recommended; set kto.desirable-weight from %.2f to %.2f",
                good,
                bad,
                ratio,
                parity,
                parity * 4 / 3));
  }
}
