package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
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
  public Score score(String answer, String reference) {
    if (reference.isBlank()) {
      return Score.unscored("the reference is empty");
    }
    return Score.of(normal(answer).equals(normal(reference)));
  }

  private String normal(String text) {
    String spaced = String.join(" ", text.strip().split("\\s+"));
    return letterCase == LetterCase.KEPT ? spaced : spaced.toLowerCase(Locale.ROOT);
  }
}
