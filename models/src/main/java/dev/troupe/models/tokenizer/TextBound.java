package dev.troupe.models.tokenizer;

import java.nio.file.Path;
import java.text.Normalizer;
import java.util.Locale;
import java.util.Optional;

/**
 * How long a text may be for a tokenizer, so that no expression of it makes too much work.
 *
 * @param letters of the text as it stands
 * @param form that the tokenizer brings a text into before all else, decomposed; composing it again
 *     makes it no longer
 * @param ofForm letters of the text in that form
 */
record TextBound(int letters, Optional<Normalizer.Form> form, int ofForm) {
  /** U+FDFA becomes 18 letters, the most in Unicode. */
  static final int MOST_COMPATIBLE = 18;

  /** Of canonical forms. */
  static final int MOST_CANONICAL = 4;

  /**
   * @param whose directory the tokenizer lies in, for the message
   * @throws TextTooLongException when the text is longer
   */
  void check(String text, Path whose) {
    if (text.length() > letters) {
      throw new TextTooLongException(
          String.format(
              Locale.ROOT,
              "a text of %,d letters is too long for the tokenizer of %s, which safely takes"
                  + " %,d; cut it",
              text.length(),
              whose,
              letters));
    }
    if (form.isEmpty() || (long) text.length() * MOST_COMPATIBLE <= ofForm) {
      return;
    }
    long formed = length(text, form.get());
    if (formed > ofForm) {
      throw new TextTooLongException(
          String.format(
              Locale.ROOT,
              "a text of %,d letters is too long for the tokenizer of %s, which makes %,d of them"
                  + " (Unicode's %s) and safely takes %,d; cut it",
              text.length(),
              whose,
              formed,
              form.get(),
              ofForm));
    }
  }

  /**
   * Letters of a text in a decomposed form. Of one that this Java does not know yet, the most that
   * any has.
   */
  static long length(String text, Normalizer.Form form) {
    long length = 0;
    for (int at = 0; at < text.length(); ) {
      int letter = text.codePointAt(at);
      at += Character.charCount(letter);
      if (letter < 0x80) {
        length++;
      } else if (Character.getType(letter) == Character.UNASSIGNED) {
        length += form == Normalizer.Form.NFKD ? MOST_COMPATIBLE : MOST_CANONICAL;
      } else {
        String formed = Normalizer.normalize(Character.toString(letter), form);
        length += formed.codePointCount(0, formed.length());
      }
    }
    return length;
  }
}
