package dev.troupe.rlhf.data;

import java.util.Optional;

/** What counts as text: characters that UTF-8 can write. */
public final class UnicodeText {
  private UnicodeText() {}

  /** What is wrong with a text and how to mend it, with the place of it; empty for sound text. */
  public static Optional<String> fault(String text) {
    for (int i = 0; i < text.length(); i++) {
      char unit = text.charAt(i);
      if (unit == '\ufdd0') {
        return Optional.of(
            "character "
                + (i + 1)
                + " is U+FDD0, a noncharacter that no text should have; remove it or write U+FFFD");
      }
      if (!Character.isSurrogate(unit)) {
        continue;
      }
      if (Character.isHighSurrogate(unit)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
      } else {
        return Optional.of(
            "character "
                + (i + 1)
                + " is half a character (the lone surrogate \\u"
                + Integer.toHexString(unit)
                + "); write both halves, or U+FFFD in its place");
      }
    }
    return Optional.empty();
  }
}
