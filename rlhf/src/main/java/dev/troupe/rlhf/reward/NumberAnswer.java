package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The answer is a number in the text, as GSM8K has it (Cobbe et al. 2021, arXiv:2110.14168); its
 * reference is the number after {@code ####}, or the last one. Commas between digits and signs of
 * dollars are dropped; numbers are equal within 1e-6.
 *
 * @param place where the answer's number stands
 */
public record NumberAnswer(Place place) implements Rule {
  /** Where the answer's number stands. */
  public enum Place {
    /** After the last {@code ####}; without one the answer is wrong (verl's strict rule). */
    MARKED,
    /** The last number of the text (lm-evaluation-harness's flexible-extract). */
    LAST
  }

  private static final String MARK = "####";
  private static final Pattern MARKED = Pattern.compile("\\s*(-?\\$?[0-9.,]*[0-9][0-9.,]*)");
  private static final Pattern NUMBER = Pattern.compile("(?=[-$0-9.,])(?:-?[$0-9.,]{2,}|-?[0-9]+)");
  private static final Pattern NO_DIGITS = Pattern.compile("[,$]|\\.+$");
  private static final int LONGEST = 1000;

  @Override
  public Score score(String answer, String reference) {
    Optional<BigDecimal> right = reference.contains(MARK) ? marked(reference) : last(reference);
    if (right.isEmpty()) {
      return new Score.Unscored("the reference has no number", Excerpt.of(reference));
    }
    Optional<BigDecimal> found = place == Place.MARKED ? marked(answer) : last(answer);
    return Score.of(
        found.isPresent()
            && found.get().subtract(right.get()).abs().compareTo(new BigDecimal("1e-6")) <= 0);
  }

  private static Optional<BigDecimal> marked(String text) {
    int mark = text.lastIndexOf(MARK);
    if (mark < 0) {
      return Optional.empty();
    }
    Matcher matcher = MARKED.matcher(text).region(mark + MARK.length(), text.length());
    return matcher.lookingAt() ? number(matcher.group(1)) : Optional.empty();
  }

  private static Optional<BigDecimal> last(String text) {
    List<String> found = new ArrayList<>();
    Matcher matcher = NUMBER.matcher(text);
    while (matcher.find()) {
      found.add(matcher.group());
    }
    for (int i = found.size() - 1; i >= 0; i--) {
      Optional<BigDecimal> number = number(found.get(i));
      if (number.isPresent()) {
        return number;
      }
    }
    return Optional.empty();
  }

  private static Optional<BigDecimal> number(String digits) {
    String plain = NO_DIGITS.matcher(digits).replaceAll("");
    try {
      return plain.length() > LONGEST ? Optional.empty() : Optional.of(new BigDecimal(plain));
    } catch (NumberFormatException e) {
      return Optional.empty(); // dots and commas alone, or several points
    }
  }
}
