package dev.troupe.launcher;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The arguments as they were typed. Java reads them in the locale's encoding and puts U+FFFD in
 * place of what does not fit, which in the C locale is every letter beyond ASCII; the bytes
 * themselves are in {@code /proc/self/cmdline}.
 */
final class GivenArguments {
  private static final char REPLACEMENT = '\ufffd';

  private GivenArguments() {}

  /**
   * Those of this process.
   *
   * @throws UserException when one is not text, in the locale's encoding or in UTF-8
   */
  static String[] of(String[] decoded) {
    return of(decoded, commandLine(), encoding());
  }

  /** Encoding of arguments and file names, which Java takes from the locale. */
  static Charset encoding() {
    String name = System.getProperty("sun.jnu.encoding", "UTF-8");
    return Charset.isSupported(name) ? Charset.forName(name) : StandardCharsets.UTF_8;
  }

  /**
   * @param decoded what Java made of them
   * @param commandLine the process's words in bytes, each ended by a zero; where it is known
   */
  static String[] of(String[] decoded, Optional<byte[]> commandLine, Charset encoding) {
    if (Arrays.stream(decoded).allMatch(GivenArguments::isPlain)) {
      return decoded;
    }
    List<byte[]> words = commandLine.map(GivenArguments::words).orElse(List.of());
    int first = words.size() - decoded.length;
    boolean known = first > 0;
    for (int i = 0; known && i < decoded.length; i++) {
      known = looksLike(decoded[i], new String(words.get(first + i), encoding));
    }
    String[] given = decoded.clone();
    for (int i = 0; i < given.length; i++) {
      given[i] =
          known
              ? text(words.get(first + i), encoding, i)
              : decoded[i].indexOf(REPLACEMENT) < 0 ? decoded[i] : refuse(i, encoding);
    }
    return given;
  }

  private static boolean isPlain(String argument) {
    return argument.chars().allMatch(letter -> letter < 128);
  }

  /** Where letters do not fit, Java's launcher may write ? for them instead. */
  private static boolean looksLike(String decoded, String lenient) {
    return decoded.replace(REPLACEMENT, '?').equals(lenient.replace(REPLACEMENT, '?'));
  }

  private static String text(byte[] bytes, Charset encoding, int index) {
    return strictly(bytes, encoding)
        .or(() -> strictly(bytes, StandardCharsets.UTF_8))
        .orElseGet(() -> refuse(index, encoding));
  }

  private static Optional<String> strictly(byte[] bytes, Charset encoding) {
    try {
      return Optional.of(
          encoding
              .newDecoder()
              .onMalformedInput(CodingErrorAction.REPORT)
              .onUnmappableCharacter(CodingErrorAction.REPORT)
              .decode(ByteBuffer.wrap(bytes))
              .toString());
    } catch (CharacterCodingException e) {
      return Optional.empty();
    }
  }

  private static String refuse(int index, Charset encoding) {
    throw new UserException(
        "argument "
            + (index + 1)
            + " of the command line holds bytes that are no text in "
            + encoding
            + (encoding.equals(StandardCharsets.UTF_8)
                ? ""
                : ", the locale's encoding, or in UTF-8")
            + "; write it in UTF-8, and set LC_ALL=C.UTF-8 if the locale is another");
  }

  private static List<byte[]> words(byte[] commandLine) {
    List<byte[]> words = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < commandLine.length; i++) {
      if (commandLine[i] == 0) {
        words.add(Arrays.copyOfRange(commandLine, start, i));
        start = i + 1;
      }
    }
    return words;
  }

  private static Optional<byte[]> commandLine() {
    try {
      return Optional.of(Files.readAllBytes(Path.of("/proc/self/cmdline")));
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
