package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;

/**
 * Whether the answer has a number of words within bounds. For lengths in tokens see {@link
 * dev.troupe.rlhf.loss.LengthPenalty}.
 *
 * @param fewest at least 0
 * @param most at least {@code fewest}
 */
public record LengthRule(int fewest, int most) implements Rule {
  public LengthRule {
    if (fewest < 0 || most < fewest) {
      throw new IllegalArgumentException(
          "words are to be from " + fewest + " to " + most + "; give 0 ≤ fewest ≤ most");
    }
  }

  @Override
  public Score score(String answer, String reference) {
    int words = answer.isBlank() ? 0 : answer.strip().split("\\s+").length;
    return Score.of(words >= fewest && words <= most);
  }
}
