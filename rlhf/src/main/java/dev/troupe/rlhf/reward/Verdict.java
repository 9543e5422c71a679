package dev.troupe.rlhf.reward;

/** What came of scoring one answer. */
public sealed interface Verdict {
  /**
   * A score.
   *
   * @param value finite; rules of right and wrong give 1 and 0
   */
  record Score(double value) implements Verdict {
    public Score {
      if (!Double.isFinite(value)) {
        throw new IllegalArgumentException("score is " + value + ", must be finite");
      }
    }
  }

  /** It could not be scored: the answer is left out and counted, which is not a score of 0. */
  record Unscored(String reason) implements Verdict {}

  /** 1 for right, 0 for wrong. */
  static Verdict of(boolean right) {
    return new Score(right ? 1 : 0);
  }
}
