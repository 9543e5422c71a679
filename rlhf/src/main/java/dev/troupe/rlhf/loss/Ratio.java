package dev.troupe.rlhf.loss;

/** Of what the ratio ρ = π/π_old is taken. */
public enum Ratio {
  /** Of each token: PPO, GRPO. */
  TOKEN,
  /**
   * One per sequence, the geometric mean over its tokens: s = exp(mean of log ρ_t) (GSPO, Zheng et
   * al. 2025, arXiv:2507.18071, equation 7). Clips are small there: 3e-4 and 4e-4.
   */
  SEQUENCE_MEAN,
  /** One per sequence, the product over its tokens: RLOO as TRL has it. */
  SEQUENCE;

  /** d log ρ / d logprob of each of the sequence's tokens. */
  double slope(int tokens) {
    return this == SEQUENCE_MEAN ? 1.0 / tokens : 1;
  }
}
