package dev.troupe.tests.environment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.launcher.Troupe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where digits, case and encodings are others, the same files are read and the same said. */
class LocaleTest {
  @TempDir private Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"ar-EG", "fa-IR", "mr-IN", "ne-NP", "tr-TR", "th-TH-u-nu-thai"})
  void logprobs_anyLocale_saysTheSame(String locale) throws Exception {
    Path texts = directory.resolve("texts.jsonl");
    Files.writeString(
        texts, "{\"text\": \"Customer: Hello. Do you have salt?\\nClerk: With pleasure!\"}\n");
    ForkedJvm.Ended ended =
        new ForkedJvm(directory, Map.of(), "-Xmx256m")
            .main(
                InLocale.class,
                locale,
                "logprobs",
                ForkedJvm.MODEL.toString(),
                "--input",
                "texts.jsonl");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.out()).isEqualTo("15 tokens  sum -10.0499  perplexity 2.0500\n");
    assertThat(ended.code()).isZero();
  }

  /** Troupe in a JVM whose default locale is the first argument. */
  public static final class InLocale {
    private InLocale() {}

    public static void main(String[] arguments) {
      java.util.Locale.setDefault(java.util.Locale.forLanguageTag(arguments[0]));
      Troupe.main(java.util.Arrays.copyOfRange(arguments, 1, arguments.length));
    }
  }

  /** The shell passes the bytes of é☃, which the C locale's ASCII does not hold. */
  @Test
  void generate_asciiLocale_readsThePromptAsItWasTyped() throws Exception {
    ForkedJvm.Ended ended =
        shell("--prompt \"$(printf '\\303\\251\\342\\230\\203')\" --max-new-tokens 2 --json");
    assertThat(ended.err()).isEmpty();
    assertThat(ended.out()).startsWith("{\"prompt_tokens\":[128,103,159,247,226],");
    assertThat(ended.code()).isZero();
  }

  @Test
  void generate_bytesThatAreNoText_isRefused() throws Exception {
    ForkedJvm.Ended ended = shell("--prompt \"$(printf 'a\\377')\"");
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.out()).isEmpty();
    assertThat(ended.err())
        .isEqualTo(
            "error: argument 4 of the command line holds bytes that are no text in US-ASCII, the"
                + " locale's encoding, or in UTF-8; write it in UTF-8, and set LC_ALL=C.UTF-8 if the"
                + " locale is another\n");
  }

  private ForkedJvm.Ended shell(String options) throws Exception {
    ForkedJvm jvm = new ForkedJvm(directory, Map.of("LC_ALL", "POSIX"), "-Xmx256m");
    List<String> command = new ArrayList<>(List.of("sh", "-c", "exec \"$@\" " + options, "sh"));
    command.addAll(jvm.command(Troupe.class));
    command.addAll(List.of("generate", ForkedJvm.MODEL.toString()));
    return jvm.run(command);
  }

  @Test
  void logprobs_pathThatTheLocaleCannotName_saysWhichLocaleTo() throws Exception {
    ForkedJvm jvm = new ForkedJvm(directory, Map.of("LC_ALL", "POSIX"), "-Xmx256m");
    List<String> command =
        new ArrayList<>(
            List.of(
                "sh", "-c", "exec \"$@\" --input \"$(printf 'd\\303\\244t\\303\\244')\"", "sh"));
    command.addAll(jvm.command(Troupe.class));
    command.addAll(List.of("logprobs", ForkedJvm.MODEL.toString()));
    ForkedJvm.Ended ended = jvm.run(command);
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .startsWith("error: Invalid value for option '--input': 'dätä' is not a path here: ")
        .contains(
            "File names are in US-ASCII, which Java took from the locale; set LC_ALL=C.UTF-8");
  }
}
