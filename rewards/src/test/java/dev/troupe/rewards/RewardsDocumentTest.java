package dev.troupe.rewards;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.rlhf.port.RewardFunction;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.reward.RewardConfig;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What docs/rewards.md shows works, and it names every kind with every key. */
class RewardsDocumentTest {
  private static final Path DOCUMENT =
      Path.of(System.getProperty("troupe.root", ".."), "docs/rewards.md");

  @TempDir private Path directory;

  @Test
  void example_compiles_andScores() throws Exception {
    String document = Files.readString(DOCUMENT);
    int begin = document.indexOf("```java\n") + "```java\n".length();
    Path source = directory.resolve("NamesIt.java");
    Files.writeString(source, document.substring(begin, document.indexOf("```", begin)));
    int code =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                null,
                null,
                "-proc:none",
                "-Xlint:all",
                "-Werror",
                "-cp",
                System.getProperty("java.class.path"),
                "-d",
                directory.toString(),
                source.toString());
    assertThat(code).isZero();
    try (URLClassLoader loader =
        new URLClassLoader(
            new URL[] {directory.toUri().toURL()}, RewardFunction.class.getClassLoader())) {
      RewardFunction function =
          (RewardFunction) loader.loadClass("NamesIt").getDeclaredConstructor().newInstance();
      List<Score> scores =
          Answers.scores(
              new OutsideScorers(List.of(function))
                  .make("r", new RewardConfig.Java(1, "names-it", 0, 30)),
              "that is right",
              "no");
      assertThat(((Score.Value) scores.get(0)).value()).isCloseTo(0.97, within(1e-12));
      assertThat(((Score.Value) scores.get(0)).parts())
          .isEqualTo(Map.of("named", 1.0, "words", 3.0));
      assertThat(((Score.Value) scores.get(1)).value()).isCloseTo(-0.01, within(1e-12));
    }
  }

  @Test
  void everyKind_isThere_withItsKeys() throws IOException {
    List<String> lines = Files.readAllLines(DOCUMENT);
    for (Class<?> kind : RewardConfig.class.getPermittedSubclasses()) {
      String type = kebab(kind.getSimpleName());
      String row =
          lines.stream()
              .filter(line -> line.startsWith("| `" + type + "` |"))
              .findFirst()
              .orElse("");
      assertThat(row).as(type).isNotEmpty();
      for (var component : kind.getRecordComponents()) {
        String key = kebab(component.getName());
        if (!key.equals("weight")) {
          assertThat(row).as(type).contains("`" + key + "`");
        }
      }
    }
  }

  private static String kebab(String name) {
    return name.replaceAll("(?<!^)([A-Z])", "-$1").toLowerCase(Locale.ROOT);
  }
}
