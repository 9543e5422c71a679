package dev.troupe.rlhf.evaluation;

import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A text with gaps.
 *
 * @param before what stands before the label
 * @param after what stands behind it, in examples
 */
record Template(String before, String after) {
  private static final Pattern GAP = Pattern.compile("\\{([A-Za-z_][A-Za-z0-9_]*)\\}");
  private static final String LABEL = "{label}";

  static Template of(String template) {
    int at = template.indexOf(LABEL);
    return new Template(template.substring(0, at), template.substring(at + LABEL.length()));
  }

  /** What is wrong with one, as what is allowed. */
  static Optional<String> fault(String template) {
    int at = template.indexOf(LABEL);
    boolean one = at >= 0 && template.indexOf(LABEL, at + 1) < 0;
    boolean holds =
        one
            && !gaps(template.substring(0, at)).isEmpty()
            && gaps(template.substring(at + LABEL.length())).isEmpty();
    return holds
        ? Optional.empty()
        : Optional.of(
            "a text with {text} or other fields of a record, and {label} once, behind them all");
  }

  private static SortedSet<String> gaps(String text) {
    SortedSet<String> names = new TreeSet<>();
    Matcher gaps = GAP.matcher(text);
    while (gaps.find()) {
      names.add(gaps.group(1));
    }
    return names;
  }

  /** What stands before the label, its gaps filled. */
  String head(Function<String, String> field) {
    return GAP.matcher(before)
        .replaceAll(gap -> Matcher.quoteReplacement(field.apply(gap.group(1))));
  }

  /** A whole example. */
  String example(Function<String, String> field, String word) {
    return head(field) + word + after;
  }
}
