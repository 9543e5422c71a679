package dev.troupe.tests.hostile;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Ways in which a file gets damaged, or a stranger damages it. */
final class Damage {
  /** What readers are known to stumble over. */
  private static final List<String> WORDS =
      List.of(
          "null",
          "true",
          "-1",
          "0",
          "1e308",
          "9223372036854775807",
          "-9223372036854775808",
          "2147483648",
          "0.5",
          "\"\"",
          "\"a\"",
          "[]",
          "{}",
          "[[[[]]]]",
          "\"\\u0000\"",
          "\"\\ud800\"",
          "NaN",
          "\u0000");

  private Damage() {}

  /** One to four kinds of damage, one after the other. */
  static byte[] of(byte[] good, Random random) {
    byte[] bytes = good;
    int times = 1 + random.nextInt(4);
    for (int i = 0; i < times; i++) {
      bytes = once(bytes, random);
    }
    return bytes;
  }

  private static byte[] once(byte[] bytes, Random random) {
    if (bytes.length < 2) {
      return new byte[] {(byte) random.nextInt(256)};
    }
    // Headers lie at the start, so half of the damage does.
    int reach = random.nextBoolean() ? Math.min(bytes.length, 4096) : bytes.length;
    int at = random.nextInt(reach);
    int end = Math.min(bytes.length, at + 1 + random.nextInt(64));
    return switch (random.nextInt(6)) {
      case 0 -> Arrays.copyOf(bytes, at);
      case 1 -> join(bytes, at, new byte[0], end);
      case 2 -> join(bytes, at, Arrays.copyOfRange(bytes, at, end), at);
      case 3 -> {
        byte[] flipped = bytes.clone();
        flipped[at] ^= (byte) (1 << random.nextInt(8));
        yield flipped;
      }
      case 4 -> value(bytes, at, random);
      default -> {
        byte[] noise = new byte[end - at];
        random.nextBytes(noise);
        yield join(bytes, at, noise, end);
      }
    };
  }

  /** Another value in place of the next JSON value. */
  private static byte[] value(byte[] bytes, int at, Random random) {
    int colon = at;
    while (colon < bytes.length && bytes[colon] != ':') {
      colon++;
    }
    if (colon >= bytes.length) {
      colon = at;
    }
    int end = colon + 1;
    while (end < bytes.length && bytes[end] != ',' && bytes[end] != '}' && bytes[end] != '\n') {
      end++;
    }
    byte[] word = WORDS.get(random.nextInt(WORDS.size())).getBytes(StandardCharsets.UTF_8);
    return join(bytes, Math.min(colon + 1, bytes.length), word, Math.min(end, bytes.length));
  }

  private static byte[] join(byte[] bytes, int headEnd, byte[] middle, int tailStart) {
    byte[] joined = new byte[headEnd + middle.length + bytes.length - tailStart];
    System.arraycopy(bytes, 0, joined, 0, headEnd);
    System.arraycopy(middle, 0, joined, headEnd, middle.length);
    System.arraycopy(bytes, tailStart, joined, headEnd + middle.length, bytes.length - tailStart);
    return joined;
  }
}
