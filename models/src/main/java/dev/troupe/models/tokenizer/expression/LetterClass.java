package dev.troupe.models.tokenizer.expression;

import java.util.BitSet;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Which letters one place of an expression takes.
 *
 * @param text as it is written
 * @param ignoresCase whether {@code (?i)} holds there
 */
record LetterClass(String text, boolean ignoresCase) {
  /** Whether no letter is in both; false where that is not known. */
  boolean isDisjoint(LetterClass other) {
    Optional<BitSet> mine = letters();
    Optional<BitSet> others = other.letters();
    return mine.isPresent() && others.isPresent() && !mine.get().intersects(others.get());
  }

  private Optional<BitSet> letters() {
    String java =
        text.replace("\\h", "0-9a-fA-F")
            .replaceAll("\\[:(\\w+):\\]", "\\\\p{Is$1}")
            .replaceAll("\\\\([pP])\\{(\\^?)(\\w{3,})\\}", "\\\\$1{Is$3}");
    if (text.contains("{^") || text.contains("\\H")) {
      return Optional.empty();
    }
    int flags = Pattern.UNICODE_CHARACTER_CLASS | Pattern.DOTALL;
    if (ignoresCase) {
      flags |= Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE;
    }
    Pattern pattern;
    try {
      pattern = Pattern.compile(java, flags);
    } catch (PatternSyntaxException e) {
      return Optional.empty();
    }
    BitSet letters = new BitSet();
    for (int letter = 0; letter <= Character.MAX_CODE_POINT; letter++) {
      if (pattern.matcher(Character.toString(letter)).matches()) {
        letters.set(letter);
      }
    }
    return Optional.of(letters);
  }
}
