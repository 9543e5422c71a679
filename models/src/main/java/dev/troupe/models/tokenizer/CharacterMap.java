package dev.troupe.models.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.models.checkpoint.CheckpointException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.BitSet;
import java.util.Deque;

/**
 * SentencePiece's compiled normal forms: a double-array trie over bytes, whose values are places in
 * the texts behind it. The library follows them wherever they point; here every way from the root
 * is followed first.
 */
final class CharacterMap {
  /** Letters that one becomes at most. */
  static final int MOST_LETTERS = 32;

  private final int[] units;
  private final byte[] texts;

  private CharacterMap(int[] units, byte[] texts) {
    this.units = units;
    this.texts = texts;
  }

  /**
   * Checks what {@code precompiled_charsmap} holds.
   *
   * @throws CheckpointException when it leads out of itself
   */
  static void check(JsonNode charsmap, String where) {
    String damage = read(charsmap);
    if (!damage.isEmpty()) {
      throw new CheckpointException(
          where
              + ": the normalizer's precompiled_charsmap is damaged: "
              + damage
              + ". Take the file anew from where the model is published.");
    }
  }

  private static String read(JsonNode charsmap) {
    byte[] bytes;
    try {
      bytes = Base64.getDecoder().decode(charsmap.asText(""));
    } catch (IllegalArgumentException e) {
      return "it is not Base64";
    }
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    if (!charsmap.isTextual() || bytes.length < 8) {
      return "it is empty";
    }
    int size = buffer.getInt();
    if (size < 4 || size % 4 != 0 || size > buffer.remaining()) {
      return "its table is said to have " + Integer.toUnsignedString(size) + " bytes";
    }
    int[] units = new int[size / 4];
    buffer.asIntBuffer().get(units);
    byte[] texts = new byte[buffer.remaining() - size];
    buffer.position(4 + size).get(texts);
    return new CharacterMap(units, texts).follow();
  }

  /** Goes every way from the root; empty when all stay inside. */
  private String follow() {
    BitSet seen = new BitSet(units.length);
    Deque<Integer> open = new ArrayDeque<>();
    open.add(offset(units[0]));
    while (!open.isEmpty()) {
      int state = open.remove();
      for (int letter = 1; letter < 256; letter++) {
        int place = state ^ letter;
        if (place < 0 || place >= units.length) {
          return "its table leads out of itself";
        }
        int unit = units[place];
        if ((unit & 0x800000ff) == letter && !seen.get(place)) {
          seen.set(place);
          int next = place ^ offset(unit);
          if ((unit >>> 8 & 1) == 1) {
            if (next < 0 || next >= units.length) {
              return "its table leads out of itself";
            }
            String damage = text(units[next] & 0x7fffffff);
            if (!damage.isEmpty()) {
              return damage;
            }
          }
          open.add(next);
        }
      }
    }
    return "";
  }

  private static int offset(int unit) {
    return (unit >>> 10) << ((unit & (1 << 9)) >>> 6);
  }

  /** A text begins where a letter does, and ends with a zero. */
  private String text(int start) {
    if (start > texts.length || (start < texts.length && (texts[start] & 0xc0) == 0x80)) {
      return "a text begins at byte " + start + " of " + texts.length;
    }
    int letters = 0;
    for (int at = start; at < texts.length && texts[at] != 0; at++) {
      letters += (texts[at] & 0xc0) == 0x80 ? 0 : 1;
    }
    return letters <= MOST_LETTERS ? "" : "a letter becomes " + letters;
  }
}
