package dev.troupe.models.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** GPT-2's printable letter for each byte: itself where it is printable, else one from 256 on. */
final class ByteLetters {
  private static final char[] LETTERS = letters();

  private ByteLetters() {}

  private static char[] letters() {
    char[] letters = new char[256];
    char next = 256;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      letters[b] = printable ? (char) b : next++;
    }
    return letters;
  }

  /** The text's UTF-8 bytes as letters. */
  static String of(String text) {
    StringBuilder spelled = new StringBuilder();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      spelled.append(LETTERS[b & 0xff]);
    }
    return spelled.toString();
  }

  /** All 256 letters, smallest first. */
  static List<String> inOrder() {
    return IntStream.range(0, 256)
        .mapToObj(b -> String.valueOf(LETTERS[b]))
        .sorted()
        .collect(Collectors.toUnmodifiableList());
  }
}
