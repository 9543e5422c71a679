package dev.troupe.rlhf.reward;

import java.util.Locale;

/**
 * The whole answer is the reference, but for white space around and between words.
 *
 * @param letterCase whether capitals matter
 */
public record ExactAnswer(LetterCase letterCase) implements Rule {
  /** Whether capitals matter. */
  public enum LetterCase {
    KEPT,
    IGNORED
  }

  @Override
  public Verdict score(String answer, String reference) {
    if (reference.isBlank()) {
      return new Verdict.Unscored("the reference is empty");
    }
    return Verdict.of(normal(answer).equals(normal(reference)));
  }

  private String normal(String text) {
    String spaced = String.join(" ", text.strip().split("\\s+"));
    return letterCase == LetterCase.KEPT ? spaced : spaced.toLowerCase(Locale.ROOT);
  }
}
