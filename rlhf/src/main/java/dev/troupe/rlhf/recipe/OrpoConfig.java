package dev.troupe.rlhf.recipe;

/**
 * ORPO (Hong et al. 2024): imitation and preference in one, without a reference.
 *
 * @param epochs passes over the pairs
 * @param batchSize pairs per optimiser step
 * @param beta weight of the preference beside the imitation
 * @param trainOn what is imitated of the chosen side
 * @param heldOut pairs kept out of training to measure accuracy on
 * @param evaluateEvery steps between measurements on the held-out pairs, 0 for none; they are
 *     always measured after
 * @param best which state is the result, by loss, accuracy or margin
 */
public record OrpoConfig(
    int epochs,
    int batchSize,
    double beta,
    Imitated trainOn,
    TuningConfig tuning,
    OptimizerConfig optimizer,
    int heldOut,
    int evaluateEvery,
    BestConfig best,
    EvaluationConfig evaluation)
    implements PreferenceConfig {

  /** What is imitated of the chosen side. */
  public enum Imitated {
    /** Prompt and answer, a mean over the tokens of the step (TRL). */
    ALL,
    /** The answer, a mean per answer (LLaMA-Factory). */
    COMPLETION
  }

  public OrpoConfig {
    PreferenceConfig.limits(epochs, batchSize, beta, heldOut, evaluateEvery, best).verify();
  }
}
