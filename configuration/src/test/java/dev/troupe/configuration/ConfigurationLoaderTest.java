package dev.troupe.configuration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.limits.Limits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigurationLoaderTest {
  record Settings(
      String output,
      long seed,
      double share,
      LengthPolicy policy,
      OptionalInt limit,
      Training tuning,
      List<Source> sources,
      Map<String, String> notes,
      Sampling sampling) {}

  enum LengthPolicy {
    DROP,
    TRUNCATE_LEFT
  }

  sealed interface Training {
    record Lora(int rank) implements Training {}

    record Full() implements Training {}
  }

  record Source(String path, double weight) {}

  record Sampling(int maxNewTokens, double temperature) {
    Sampling {
      new Limits()
          .atLeast("max-new-tokens", maxNewTokens, 1)
          .atLeast("temperature", temperature, 0)
          .verify();
    }
  }

  private final ConfigurationLoader<Settings> loader =
      new ConfigurationLoader<>(Settings.class, "test-defaults.conf");

  @TempDir Path directory;

  @Test
  void nothingGiven_defaults() {
    assertThat(loader.parse("", List.of()).value())
        .isEqualTo(
            new Settings(
                "runs/test",
                42,
                0.5,
                LengthPolicy.DROP,
                OptionalInt.empty(),
                new Training.Lora(8),
                List.of(),
                Map.of(),
                new Sampling(16, 1)));
  }

  @Test
  void everythingGiven() {
    String text =
        """
        output = "runs/other", seed = 7, share = 1, policy = truncate-left, limit = 3
        tuning.rank = 4
        sources = [{path = a.jsonl}, {path = b.jsonl, weight = 2}]
        notes { author = me }
        sampling { max-new-tokens = 1, temperature = 0 }
        """;
    assertThat(loader.parse(text, List.of()).value())
        .isEqualTo(
            new Settings(
                "runs/other",
                7,
                1,
                LengthPolicy.TRUNCATE_LEFT,
                OptionalInt.of(3),
                new Training.Lora(4),
                List.of(new Source("a.jsonl", 1), new Source("b.jsonl", 2)),
                Map.of("author", "me"),
                new Sampling(1, 0)));
  }

  @Test
  void effectiveText_loadsToEqualValue() {
    var loaded =
        loader.parse(
            "tuning.type = full, limit = 9, sources = [{path = \"a b.jsonl\"}]", List.of());
    assertThat(loader.parse(loaded.text(), List.of()).value()).isEqualTo(loaded.value());
    assertThat(loaded.text()).contains("weight=1.0").contains("type=full");
  }

  @Test
  void sealedType_otherChoiceLeavesDefaultsOut() {
    assertThat(loader.parse("tuning.type = full", List.of()).value().tuning())
        .isEqualTo(new Training.Full());
    assertThat(loader.parse("tuning = full", List.of()).value().tuning())
        .isEqualTo(new Training.Full());
  }

  @Test
  void override_winsAndReadsTextAsItStands() {
    var value =
        loader
            .parse(
                "seed = 1, output = here",
                List.of("seed=2", "output=/a//b:c?", "sampling.temperature=0.7", "seed=3"))
            .value();
    assertThat(value.seed()).isEqualTo(3);
    assertThat(value.output()).isEqualTo("/a//b:c?");
    assertThat(value.sampling().temperature()).isEqualTo(0.7);
  }

  @Test
  void substitution_readsKeysAndEnvironment() {
    var value = loader.parse("output = \"runs/\"${seed}, notes.path = ${PATH}", List.of()).value();
    assertThat(value.output()).isEqualTo("runs/42");
    assertThat(value.notes()).containsEntry("path", System.getenv("PATH"));
  }

  @Test
  void substitution_unknownName() {
    assertProblems("seed = ${NO_SUCH_NAME}", List.of())
        .hasMessageContaining("text:1: Could not resolve substitution to a value: ${NO_SUCH_NAME}");
  }

  @Test
  void allProblemsAtOnce_withFileAndLine() throws IOException {
    Path file = directory.resolve("my.conf");
    Files.writeString(
        file,
        """
        sede = 1
        share = half
        policy = truncate-lef
        tuning { type = lra }
        limit = 1.5
        sources = [
          { weight = 2 }
          { path = a, wieght = 1 }
        ]
        sampling {
          max-new-tokens = 0
          temperature = -1
        }
        temperature = 3
        zzz = 1
        """);
    assertThatThrownBy(() -> loader.load(file, List.of("seed=1.5", "output")))
        .hasMessage(
            """
            the configuration has 1 problem:
              --set output: expected KEY=VALUE, for example --set ppo.kl.coefficient=0.05""");
    assertThatThrownBy(() -> loader.load(file, List.of("seed=1.5")))
        .isInstanceOf(ConfigException.class)
        .hasMessage(
            """
            the configuration has 12 problems:
              --set seed=1.5: 'seed' is the number 1.5, expected a whole number
              FILE:2: 'share' is the text "half", expected a number
              FILE:3: 'policy' is the text "truncate-lef", expected one of drop, truncate-left; \
            did you mean 'truncate-left'?
              FILE:5: 'limit' is the number 1.5, expected a whole number
              FILE:4: 'tuning.type' is the text "lra", expected a type of lora, full; \
            did you mean 'lora'?
              FILE:7: missing key 'sources[0].path', expected a text
              FILE:8: unknown key 'sources[1].wieght'; did you mean 'sources[1].weight'?
              FILE:11: 'sampling.max-new-tokens' is 0, allowed: at least 1
              FILE:12: 'sampling.temperature' is -1, allowed: at least 0
              FILE:1: unknown key 'sede'; did you mean 'seed'?
              FILE:14: unknown key 'temperature'; did you mean 'sampling.temperature'?
              FILE:15: unknown key 'zzz'; known here: output, seed, share, policy, limit, tuning, \
            sources, notes, sampling"""
                .replace("FILE", file.toString()));
  }

  @Test
  void otherKindsThanExpected() {
    assertProblems("sampling = 3, sources = a, seed = [1], notes = 1, output = {}", List.of())
        .hasMessage(
            """
            the configuration has 5 problems:
              text:1: 'output' is a section { … }, expected a text
              text:1: 'seed' is a list, expected a whole number
              text:1: 'sources' is the text "a", expected a list, each element a section { … }
              text:1: 'notes' is the number 1, expected a section, each value a text
              text:1: 'sampling' is the number 3, expected a section { … }""");
  }

  @Test
  void aDefaultTakenAway_isMissing() {
    assertProblems("seed = null", List.of())
        .hasMessage(
            """
            the configuration has 1 problem:
              text:1: missing key 'seed', expected a whole number""");
  }

  @Test
  void keyOfAnotherChoice_isUnknown() {
    assertProblems("tuning { type = full, rank = 4 }", List.of())
        .hasMessage(
            """
            the configuration has 1 problem:
              text:1: unknown key 'tuning.rank'; it belongs to type lora, and 'tuning.type' is full""");
  }

  @Test
  void include_besideTheFile() throws IOException {
    Files.createDirectories(directory.resolve("presets"));
    Files.writeString(directory.resolve("presets/base.conf"), "seed = 5, share = 0.1");
    Path file = directory.resolve("my.conf");
    Files.writeString(file, "include \"presets/base.conf\"\nshare = 0.2");
    var value = loader.load(file, List.of()).value();
    assertThat(value.seed()).isEqualTo(5);
    assertThat(value.share()).isEqualTo(0.2);
  }

  @Test
  void include_ofWhatIsNoConfiguration_namesTheLine_andQuotesNothing() throws IOException {
    Path other = Files.writeString(directory.resolve("shadow"), "# x\nroot:$6$secret:1:0:\n");
    Path file = directory.resolve("my.conf");
    Files.writeString(file, "include \"shadow\"");
    assertThatThrownBy(() -> loader.load(file, List.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(other + ":2: is not a configuration (HOCON) from here on")
        .hasMessageNotContainingAny("root", "secret");
  }

  @Test
  void include_ofItself_andByWayOfAnother_isRefused() throws IOException {
    Path file = directory.resolve("a.conf");
    Files.writeString(file, "include \"b.conf\"");
    Files.writeString(directory.resolve("b.conf"), "include \"a.conf\"");
    assertThatThrownBy(() -> loader.load(file, List.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining(
            "include \"b.conf\": includes itself, by way of "
                + directory.resolve("b.conf")
                + ", "
                + file);
  }

  /** As it is given most often; only the directory where the test runs will do. */
  @Test
  void include_besideAFileOfABareName() throws IOException {
    Path file = Path.of("bare-name-of-a-test.conf");
    Path included = Path.of("included-by-a-test.conf");
    try {
      Files.writeString(included, "share = 0.3");
      Files.writeString(file, "include \"" + included + "\"");
      assertThat(loader.load(file, List.of()).value().share()).isEqualTo(0.3);
    } finally {
      Files.deleteIfExists(file);
      Files.deleteIfExists(included);
    }
  }

  @Test
  void nestingWithoutEnd_isRefused() throws IOException {
    Path file = directory.resolve("deep.conf");
    Files.writeString(file, "a = " + "[".repeat(50_000));
    assertThatThrownBy(() -> loader.load(file, List.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("deep.conf: has sections or lists within one another to a depth");
  }

  @Test
  void include_missing() throws IOException {
    Path file = directory.resolve("my.conf");
    Files.writeString(file, "include \"presets/modrn.conf\"");
    assertThatThrownBy(() -> loader.load(file, List.of()))
        .hasMessage(
            """
            the configuration has 1 problem:
              include "presets/modrn.conf": no such file; an include is looked for beside the file \
            that includes it, and among the presets (presets/modern.conf, \
            presets/deepspeed-chat.conf, presets/grpo.conf, presets/dapo.conf, \
            presets/scalerl.conf)""");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "include url(\"http://example.org/a.conf\")",
        "include required(url(\"https://example.org/a.conf\"))",
        "include url(\"file:///etc/hostname\")",
        "include \"http://example.org/a.conf\"",
        "sampling { include url(\"ftp://example.org/a.conf\") }"
      })
  void include_fromElsewhere_isRefused(String text) throws IOException {
    Path file = directory.resolve("my.conf");
    Files.writeString(file, text);
    for (var refused :
        List.of(
            assertThatThrownBy(() -> loader.load(file, List.of())),
            assertThatThrownBy(() -> loader.parse(text, List.of())))) {
      refused
          .isInstanceOf(ConfigException.class)
          .hasMessageContaining("is refused: a configuration fetches nothing");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"classpath(\"test-defaults.conf\")", "\"test-defaults.conf\""})
  void include_ofTheClassPath_findsPresetsAlone(String what) throws IOException {
    Path file = directory.resolve("my.conf");
    Files.writeString(file, "include " + what);
    assertThatThrownBy(() -> loader.load(file, List.of()))
        .hasMessageContaining("include " + what + ": no such file; an include is looked for");
  }

  @Test
  void include_filesInFiles_eachBesideItsOwn() throws IOException {
    Files.createDirectories(directory.resolve("a/b"));
    Files.writeString(directory.resolve("a/b/inner.conf"), "seed = 5");
    Files.writeString(directory.resolve("a/outer.conf"), "include \"b/inner.conf\"");
    Path file = directory.resolve("my.conf");
    Files.writeString(file, "include \"a/outer.conf\"");
    assertThat(loader.load(file, List.of()).value().seed()).isEqualTo(5);
    Files.writeString(
        directory.resolve("a/b/inner.conf"), "include url(\"http://example.org/a.conf\")");
    assertThatThrownBy(() -> loader.load(file, List.of())).hasMessageContaining("is refused");
  }

  @Test
  void settings_areWhatWasGiven_andWhatDiffers() {
    var loaded =
        loader.parse(
            "seed = 42, share = 1, tuning.rank = 4, notes.author = me", List.of("limit=3"));
    assertThat(loaded.settings())
        .containsExactly(
            new ConfigurationLoader.Setting("seed", "42", false),
            new ConfigurationLoader.Setting("share", "1", true),
            new ConfigurationLoader.Setting("limit", "3", true),
            new ConfigurationLoader.Setting("tuning.rank", "4", true),
            new ConfigurationLoader.Setting("notes.author", "me", true));
    assertThat(loaded.isGiven("seed")).isTrue();
    assertThat(loaded.isGiven("tuning")).isTrue();
    assertThat(loaded.isGiven("sampling")).isFalse();
    assertThat(loader.parse("tuning.rank = 8", List.of()).settings())
        .containsExactly(new ConfigurationLoader.Setting("tuning.rank", "8", false));
  }

  @Test
  void fileMissing() {
    assertThatThrownBy(() -> loader.load(Path.of("no/such.conf"), List.of()))
        .hasMessage(
            """
            the configuration has 1 problem:
              no/such.conf: no such configuration file""");
  }

  @Test
  void syntaxError_namesTheLine() throws IOException {
    Path file = directory.resolve("my.conf");
    Files.writeString(file, "seed = 1\nshare = {\n");
    assertThatThrownBy(() -> loader.load(file, List.of()))
        .isInstanceOf(ConfigException.class)
        .hasMessageStartingWith("the configuration has 1 problem:\n  " + file + ":")
        .hasMessageContaining("end of file");
  }

  private org.assertj.core.api.AbstractThrowableAssert<?, ? extends Throwable> assertProblems(
      String text, List<String> overrides) {
    return assertThatThrownBy(() -> loader.parse(text, overrides))
        .isInstanceOf(ConfigException.class);
  }
}
