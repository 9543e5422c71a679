package dev.troupe.models.peft;

import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A regular expression on a layer's name. It comes with a download: one that would search for ages
 * is an error.
 */
final class NamePattern {
  private static final int STEPS = 1_000_000;

  private final Pattern pattern;

  private NamePattern(Pattern pattern) {
    this.pattern = pattern;
  }

  /**
   * @throws IllegalArgumentException when it is none that Java and Python both have
   */
  static NamePattern of(String regex) {
    if (regex.contains("(?P") || regex.contains("\\Z")) {
      throw new IllegalArgumentException(
          "the regular expression '" + regex + "' is Python's alone; write it without (?P and \\Z");
    }
    try {
      return new NamePattern(Pattern.compile(regex));
    } catch (PatternSyntaxException e) {
      throw new IllegalArgumentException(
          "the regular expression '" + regex + "' is malformed: " + e.getDescription(), e);
    }
  }

  /** As {@code rank_pattern} is meant: the whole name, or its end after a dot. */
  static NamePattern ofEnd(String regex) {
    of(regex);
    return of("(.*\\.)?(" + regex + ")");
  }

  /** Whether it matches the whole name. */
  boolean matches(String name) {
    return pattern.matcher(new Counted(name, new int[1], pattern.pattern())).matches();
  }

  /** Counts how often the matcher looks. */
  private record Counted(CharSequence text, int[] looks, String regex) implements CharSequence {
    @Override
    public int length() {
      return text.length();
    }

    @Override
    public char charAt(int index) {
      looks[0]++;
      if (looks[0] > STEPS) {
        throw new IllegalArgumentException(
            "the regular expression '"
                + regex
                + "' takes too long; write it without nested repetition");
      }
      return text.charAt(index);
    }

    @Override
    public CharSequence subSequence(int start, int end) {
      return new Counted(text.subSequence(start, end), looks, regex);
    }

    @Override
    public String toString() {
      return text.toString();
    }
  }
}
