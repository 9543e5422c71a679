package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class GivenArgumentsTest {
  private static final byte[] E_ACUTE = {(byte) 0xc3, (byte) 0xa9};

  @Test
  void of_asciiLocale_readsTheBytesAsUtf8() {
    assertThat(
            given(
                StandardCharsets.US_ASCII, "--prompt".getBytes(StandardCharsets.US_ASCII), E_ACUTE))
        .containsExactly("--prompt", "é");
  }

  @Test
  void of_localeThatHoldsThem_keepsWhatJavaRead() {
    assertThat(given(StandardCharsets.UTF_8, E_ACUTE)).containsExactly("é");
    assertThat(given(StandardCharsets.ISO_8859_1, new byte[] {(byte) 0xe9})).containsExactly("é");
  }

  /** What a person typed is no error of decoding. */
  @Test
  void of_replacementCharacterThatWasTyped_isKept() {
    assertThat(given(StandardCharsets.UTF_8, "a\ufffd".getBytes(StandardCharsets.UTF_8)))
        .containsExactly("a\ufffd");
  }

  @Test
  void of_bytesThatAreNoText_areRefused() {
    byte[] half = {'a', (byte) 0xc3};
    assertThatThrownBy(
            () -> given(StandardCharsets.US_ASCII, "x".getBytes(StandardCharsets.US_ASCII), half))
        .isInstanceOf(UserException.class)
        .hasMessage(
            "argument 2 of the command line holds bytes that are no text in US-ASCII, the locale's"
                + " encoding, or in UTF-8; write it in UTF-8, and set LC_ALL=C.UTF-8 if the locale"
                + " is another");
    assertThatThrownBy(() -> given(StandardCharsets.UTF_8, half))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("no text in UTF-8; write it in UTF-8");
  }

  @Test
  void of_unknownBytes_refusesReplacements() {
    assertThatThrownBy(
            () ->
                GivenArguments.of(
                    new String[] {"\ufffd\ufffd"}, Optional.empty(), StandardCharsets.US_ASCII))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("argument 1");
    assertThat(GivenArguments.of(new String[] {"ä"}, Optional.empty(), StandardCharsets.ISO_8859_1))
        .containsExactly("ä");
  }

  /** Where the main class came from an argument file, the command line is not the one to read. */
  @Test
  void of_otherCommandLine_isNotUsed() {
    String[] typed = {"ä", "b"};
    assertThat(
            GivenArguments.of(
                typed,
                Optional.of("java\0@x\0c\0d\0".getBytes(StandardCharsets.US_ASCII)),
                StandardCharsets.UTF_8))
        .containsExactly("ä", "b");
  }

  private static String[] given(Charset encoding, byte[]... words) {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    line.writeBytes("java\0-Xmx1g\0Troupe\0".getBytes(StandardCharsets.US_ASCII));
    String[] decoded = new String[words.length];
    for (int i = 0; i < words.length; i++) {
      decoded[i] = new String(words[i], encoding);
      line.writeBytes(words[i]);
      line.write(0);
    }
    return GivenArguments.of(decoded, Optional.of(line.toByteArray()), encoding);
  }
}
