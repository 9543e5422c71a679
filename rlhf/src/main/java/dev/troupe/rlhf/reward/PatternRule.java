package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression of Java's syntax, in which a dot matches line breaks too. A search that
 * backtracks too long, or nests too deep, is no verdict.
 *
 * @param expression valid, and with a group where {@code use} is {@link Use#CAPTURES}
 * @param use what is asked of it
 */
public record PatternRule(String expression, Use use) implements Rule {
  /** What is asked of the expression. */
  public enum Use {
    /** It matches the whole answer, white space around it aside: a format. */
    MATCHES,
    /** It matches somewhere. */
    CONTAINS,
    /** What its first group last found is the reference, white space around both aside. */
    CAPTURES
  }

  public PatternRule {
    String fault = fault(expression, use);
    if (!fault.isEmpty()) {
      throw new IllegalArgumentException("the expression " + expression + " is to be " + fault);
    }
  }

  /** What the expression would have to be to serve, empty when it does. */
  static String fault(String expression, Use use) {
    try {
      Pattern pattern = Pattern.compile(expression, Pattern.DOTALL);
      boolean captures = pattern.matcher("").groupCount() > 0;
      return use == Use.CAPTURES && !captures
          ? "one with a group to capture an answer: put ( ) around it"
          : "";
    } catch (PatternSyntaxException e) {
      return "a regular expression; "
          + e.getDescription()
          + (e.getIndex() < 0 ? "" : " at character " + (e.getIndex() + 1));
    }
  }

  @Override
  public Score score(String answer, String reference) {
    if (use == Use.CAPTURES && reference.isBlank()) {
      return Score.unscored("the reference is empty");
    }
    Pattern pattern = Pattern.compile(expression, Pattern.DOTALL);
    Optional<Boolean> found =
        switch (use) {
          case MATCHES -> BoundedText.search(pattern, answer.strip(), Matcher::matches);
          case CONTAINS -> BoundedText.search(pattern, answer, Matcher::find);
          case CAPTURES ->
              BoundedText.search(
                  pattern, answer, m -> last(m).equals(Optional.of(reference.strip())));
        };
    return found
        .map(Score::of)
        .orElseGet(
            () ->
                new Score.Unscored(
                    "a pattern backtracks too long",
                    "the expression "
                        + expression
                        + ", on an answer of "
                        + answer.length()
                        + " characters"));
  }

  private static Optional<String> last(Matcher matcher) {
    Optional<String> last = Optional.empty();
    while (matcher.find()) {
      if (matcher.start(1) >= 0) {
        last = Optional.of(matcher.group(1).strip());
      }
    }
    return last;
  }
}
