package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.FinishReason;

/** What a response's score loses for its length. */
public final class LengthPenalty {
  private LengthPenalty() {}

  /**
   * DAPO's soft punishment of long answers (Yu et al. 2025, arXiv:2503.14476, equation 13), to be
   * added to the score: 0 up to {@code limit − buffer} tokens, then falling in a straight line to
   * −factor at the limit, and −factor beyond.
   *
   * @param tokens of the response
   * @param limit L_max, at least {@code buffer}
   * @param buffer c, above 0: how many tokens before the limit it begins
   * @param factor f, usually 1
   */
  public static double overlong(int tokens, int limit, int buffer, double factor) {
    Limit.above("overlong buffer", buffer, 0);
    Limit.atLeast("overlong limit", limit, buffer);
    Limit.atLeast("overlong factor", factor, 0);
    int over = tokens - (limit - buffer);
    return -factor * Math.max(0, Math.min(1, (double) over / buffer));
  }

  /**
   * The score of an answer that may not have stopped by itself (ProRL as OpenRLHF has it,
   * apply_stop_properly_penalty): a truncated answer's score is multiplied by a coefficient of at
   * least 0, or replaced by one below 0.
   */
  public static double truncated(double score, double coefficient, FinishReason finish) {
    if (finish != FinishReason.LENGTH) {
      return score;
    }
    return coefficient >= 0 ? score * coefficient : coefficient;
  }
}
