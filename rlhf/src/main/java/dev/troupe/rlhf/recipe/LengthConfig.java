package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import java.util.Optional;

/**
 * What length does to an answer.
 *
 * @param overlongBuffer tokens before the limit from which on the score falls (DAPO, equation 13);
 *     absent for no such punishment
 * @param overlongFactor what a score has lost at the limit
 * @param truncatedScore what becomes of a truncated answer's score: at least 0 a factor, below 0
 *     the score itself (ProRL); 1 leaves it
 * @param leaveOutTruncated whether truncated answers count in baselines alone and are not learned
 *     from (DAPO's overlong filtering)
 */
public record LengthConfig(
    Optional<Integer> overlongBuffer,
    double overlongFactor,
    double truncatedScore,
    boolean leaveOutTruncated) {
  public LengthConfig {
    Limits limits = new Limits().atLeast("overlong-factor", overlongFactor, 0);
    overlongBuffer.ifPresent(buffer -> limits.atLeast("overlong-buffer", buffer, 1));
    limits
        .condition(
            "truncated-score",
            truncatedScore,
            Double.isFinite(truncatedScore),
            "a number: at least 0 for a factor, below 0 for the score")
        .verify();
  }

  boolean penalises() {
    return (overlongBuffer.isPresent() && overlongFactor > 0) || truncatedScore < 0;
  }
}
