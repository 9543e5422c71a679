package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;
import java.util.List;

/**
 * 1 for an answer made of sections between tags, each once and in this order, with nothing but
 * white space before and between them: {@code <think>…</think><answer>…</answer>}. None is empty.
 *
 * @param tags names, at least one, each once
 * @param rest what may follow the last section
 */
public record FormatRule(List<String> tags, Rest rest) implements Rule {
  /** What may follow the last section. */
  public enum Rest {
    /** Nothing. */
    NONE,
    /** Text, or nothing. */
    ALLOWED,
    /** Text. */
    REQUIRED
  }

  public FormatRule {
    tags = List.copyOf(tags);
    if (!valid(tags)) {
      throw new IllegalArgumentException(
          "the tags are " + tags + "; give one or more different names of letters, - and _");
    }
  }

  static boolean valid(List<String> tags) {
    return !tags.isEmpty()
        && tags.stream().distinct().count() == tags.size()
        && tags.stream().allMatch(tag -> tag.matches("[A-Za-z][A-Za-z0-9_-]*"));
  }

  @Override
  public Score score(String answer, String reference) {
    int at = 0;
    for (String tag : tags) {
      String open = "<" + tag + ">";
      String close = "</" + tag + ">";
      int opens = answer.indexOf(open);
      int closes = answer.indexOf(close);
      boolean once = opens == answer.lastIndexOf(open) && closes == answer.lastIndexOf(close);
      int content = opens + open.length();
      if (opens < at
          || closes < content
          || !once
          || !answer.substring(at, opens).isBlank()
          || answer.substring(content, closes).isBlank()) {
        return Score.of(false);
      }
      at = closes + close.length();
    }
    boolean more = !answer.substring(at).isBlank();
    return Score.of(
        switch (rest) {
          case NONE -> !more;
          case ALLOWED -> true;
          case REQUIRED -> more;
        });
  }
}
