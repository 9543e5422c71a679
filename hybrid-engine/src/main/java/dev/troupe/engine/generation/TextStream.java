package dev.troupe.engine.generation;

import dev.troupe.models.tokenizer.Tokenizer;
import java.util.Arrays;

/**
 * Decodes a response as its tokens come. A letter of several tokens comes out with its last; only
 * the tokens since the last finished letter, and the ones that came out before it, are decoded
 * again.
 */
final class TextStream {
  private static final char REPLACEMENT = '\ufffd';

  private final Tokenizer tokenizer;
  private final StringBuilder text = new StringBuilder();
  private int[] tokens = new int[16];
  private int size;
  private int start;
  private int shown;

  TextStream(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
  }

  /** The text that this token finishes, often empty. */
  String add(int token) {
    if (size == tokens.length) {
      tokens = Arrays.copyOf(tokens, 2 * size);
    }
    tokens[size++] = token;
    String before = tokenizer.decode(Arrays.copyOfRange(tokens, start, shown));
    String now = tokenizer.decode(Arrays.copyOfRange(tokens, start, size));
    if (now.isEmpty()
        || now.charAt(now.length() - 1) == REPLACEMENT
        || now.length() < before.length()) {
      return "";
    }
    start = shown;
    shown = size;
    String piece = now.substring(before.length());
    text.append(piece);
    return piece;
  }

  /** Whether the text so far has the string; {@code newest} is the piece that came last. */
  boolean contains(String string, String newest) {
    int from = text.length() - newest.length() - string.length();
    return !newest.isEmpty() && text.indexOf(string, Math.max(0, from)) >= 0;
  }
}
