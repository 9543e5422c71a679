package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.reward.math.Braces;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * MATH's rule (Hendrycks et al. 2021, arXiv:2103.03874): what stands in the last {@code \boxed{…}},
 * written in one way, is letter by letter the reference written in the same way. It knows units,
 * short fractions and a leading {@code x=}, and no mathematics; see {@link MathAnswer} for that.
 */
public record MathText() implements Rule {
  private static final Pattern SHORT_ROOT = Pattern.compile("\\\\sqrt([^{])");
  private static final Pattern SHORT_FRACTION = Pattern.compile("\\\\frac([^{])([^{]|(?=\\{))");
  private static final Pattern WHOLE_FRACTION = Pattern.compile("(-?\\d+)/(-?\\d+)");

  @Override
  public Score score(String answer, String reference) {
    List<String> boxedReference = Braces.boxed(reference);
    String right =
        boxedReference.isEmpty() ? reference : boxedReference.get(boxedReference.size() - 1);
    if (normal(right).isEmpty()) {
      return Score.unscored("the reference is empty");
    }
    List<String> boxed = Braces.boxed(answer);
    return Score.of(!boxed.isEmpty() && normal(boxed.get(boxed.size() - 1)).equals(normal(right)));
  }

  /** One way to write an answer. */
  static String normal(String latex) {
    String text =
        latex
            .replace("\n", "")
            .replace("\\!", "")
            .replace("\\\\", "\\")
            .replace("tfrac", "frac")
            .replace("dfrac", "frac")
            .replace("\\left", "")
            .replace("\\right", "")
            .replace("^{\\circ}", "")
            .replace("^\\circ", "")
            .replace("\\$", "");
    int unit = text.indexOf("\\text{ ");
    text = (unit < 0 ? text : text.substring(0, unit)).replace("\\%", "").replace("%", "");
    text = text.replace(" .", " 0.").replace("{.", "{0.").strip();
    text = text.startsWith(".") ? "0" + text : text;
    int equals = text.indexOf('=');
    if (equals >= 0
        && equals == text.lastIndexOf('=')
        && text.substring(0, equals).strip().length() <= 2) {
      text = text.substring(equals + 1);
    }
    text = SHORT_ROOT.matcher(text).replaceAll("\\\\sqrt{$1}").replace(" ", "");
    text = SHORT_FRACTION.matcher(text).replaceAll(MathText::fraction);
    if (text.equals("0.5")) {
      return "\\frac{1}{2}";
    }
    Matcher whole = WHOLE_FRACTION.matcher(text);
    return whole.matches() ? "\\frac{" + whole.group(1) + "}{" + whole.group(2) + "}" : text;
  }

  private static String fraction(MatchResult found) {
    String bottom = found.group(2).isEmpty() ? "" : "{" + found.group(2) + "}";
    return Matcher.quoteReplacement("\\frac{" + found.group(1) + "}" + bottom);
  }
}
