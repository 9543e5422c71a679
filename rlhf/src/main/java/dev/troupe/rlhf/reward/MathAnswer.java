package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.reward.math.Braces;
import dev.troupe.rlhf.reward.math.MathComparison;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A mathematical answer found in a text and compared by what it means ({@link MathComparison}): the
 * rules that math-verify made usual. An answer stands, in this order, in {@code \boxed{…}}; after
 * the word "answer"; as the whole text, where that is a formula; in the last formula or number.
 * Several different boxes are a list, so that an answer that names all candidates is none of them.
 */
public record MathAnswer() implements Rule {
  private static final int LONGEST_WHOLE = 100;
  private static final int AFTER_THE_WORD = 100;
  private static final int LAST_CHARACTERS = 4_000;
  // $…$ that is not two prices, \(…\) and \[…\].
  private static final Pattern FORMULA =
      Pattern.compile(
          "\\$\\$?(?!\\s)([^$]{0,500}[^$\\s])\\$\\$?(?!\\d)"
              + "|\\\\[(\\[](?:[^\\\\]{1,200}+|\\\\[^)\\]]){1,100}+\\\\[)\\]]");
  // A number as prose has it: after a space, a sign of equality or of a currency.
  private static final Pattern NUMBER =
      Pattern.compile(
          "(?<![\\w.,\\\\{}^-])(-?)[$€£¥]?((?:\\d{1,3}(?:,\\d{3})++(?!\\d)|\\d++)(?:\\.\\d++)?+|\\.\\d++)"
              + "(\\s?/\\s?\\d++)?(\\s?\\\\?%)?");
  private static final Pattern WORD = Pattern.compile("(?<![\\\\A-Za-z])[A-Za-z]{2,}");
  private static final Pattern CHOICE = Pattern.compile("\\(?\\b([A-J])\\b\\)?");

  @Override
  public Score score(String answer, String reference) {
    List<String> boxedReference = Braces.boxed(reference);
    String right =
        (boxedReference.isEmpty() ? reference : boxedReference.get(boxedReference.size() - 1))
            .strip();
    if (right.isEmpty()) {
      return Score.unscored("the reference is empty");
    }
    List<String> found = find(answer, right.matches("[A-J]"));
    boolean sameText =
        found.stream().map(MathAnswer::plain).distinct().count() == 1
            && plain(found.get(0)).equals(plain(right));
    return Score.of(sameText || MathComparison.same(right, found));
  }

  private static List<String> find(String text, boolean choice) {
    List<String> boxed = Braces.boxed(text);
    if (!boxed.isEmpty()) {
      return boxed;
    }
    int word = text.toLowerCase(Locale.ROOT).lastIndexOf("answer");
    if (word >= 0 && text.length() == text.toLowerCase(Locale.ROOT).length()) {
      String after =
          text.substring(word, Math.min(text.length(), word + AFTER_THE_WORD))
              .lines()
              .findFirst()
              .orElse("");
      Optional<String> named = afterTheWord(after, choice);
      if (named.isPresent()) {
        return List.of(named.get());
      }
    }
    String whole = text.strip();
    boolean words = whole.length() > LONGEST_WHOLE || WORD.matcher(whole).find();
    if (!words && MathComparison.reads(whole)) {
      return List.of(whole);
    }
    Optional<String> last = last(text.substring(Math.max(0, text.length() - LAST_CHARACTERS)));
    return last.map(List::of).orElseGet(() -> List.of(whole));
  }

  private static Optional<String> afterTheWord(String text, boolean choice) {
    if (choice) {
      Matcher letter = CHOICE.matcher(text);
      return letter.find() ? Optional.of(letter.group(1)) : Optional.empty();
    }
    int equals = text.lastIndexOf('=');
    Optional<String> afterEquals =
        equals >= 0 && text.indexOf('$') < 0 ? first(text.substring(equals + 1)) : Optional.empty();
    return afterEquals.or(() -> first(text));
  }

  private static Optional<String> first(String text) {
    Matcher formula = FORMULA.matcher(text);
    Matcher number = NUMBER.matcher(text);
    boolean hasFormula = formula.find();
    boolean hasNumber = number.find();
    if (hasFormula && (!hasNumber || formula.start() <= number.start())) {
      return Optional.of(content(formula));
    }
    return hasNumber ? Optional.of(number(number)) : Optional.empty();
  }

  private static Optional<String> last(String text) {
    Optional<String> last = Optional.empty();
    int at = -1;
    Matcher formula = FORMULA.matcher(text);
    while (formula.find()) {
      last = Optional.of(content(formula));
      at = formula.end();
    }
    Matcher number = NUMBER.matcher(text);
    while (number.find()) {
      if (number.start() >= at) {
        last = Optional.of(number(number));
      }
    }
    return last;
  }

  private static String content(Matcher formula) {
    String whole = formula.group();
    return formula.group(1) != null ? formula.group(1) : whole.substring(2, whole.length() - 2);
  }

  /** Without the currency. */
  private static String number(Matcher number) {
    String fraction = number.group(3) == null ? "" : number.group(3);
    String percent = number.group(4) == null ? "" : "\\%";
    return number.group(1) + number.group(2) + fraction + percent;
  }

  /** Words as they are compared: no LaTeX around them, one letter or pair of brackets aside. */
  private static String plain(String text) {
    String bare =
        text.replaceAll("\\\\(?:text|mathrm|textbf|mbox|mathbf)\\s*", "")
            .replaceAll("[{}\\s$.]", "");
    String letter = bare.matches("\\([A-Za-z]\\)") ? bare.substring(1, 2) : bare;
    return letter.length() > 1 && letter.chars().allMatch(Character::isLetter)
        ? letter.toLowerCase(Locale.ROOT)
        : letter;
  }
}
