package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What the documents point to exists, and the example that they show is the one that is compiled
 * and run.
 */
class ReadmeTest {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root"));
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#]+)(#[^)]*)?\\)");
  private static final Pattern CONFIG = Pattern.compile("configs/[\\w-]+\\.conf");

  @Test
  void links_leadToFiles() throws IOException {
    int links = 0;
    for (Path document : documents()) {
      Matcher matcher = LINK.matcher(Files.readString(document));
      while (matcher.find()) {
        String target = matcher.group(1);
        if (!target.startsWith("http")) {
          assertThat(document.resolveSibling(target))
              .as("link in %s", ROOT.relativize(document))
              .exists();
          links++;
        }
      }
    }
    assertThat(links).isGreaterThan(12);
  }

  @Test
  void configurationsNamed_exist() throws IOException {
    int found = 0;
    for (Path document : documents()) {
      Matcher matcher = CONFIG.matcher(Files.readString(document));
      while (matcher.find()) {
        assertThat(ROOT.resolve(matcher.group()))
            .as("named in %s", ROOT.relativize(document))
            .exists();
        found++;
      }
    }
    assertThat(found).isGreaterThan(3);
  }

  @Test
  void embeddingExample_isTheOneThatRuns() throws IOException {
    String source =
        Files.readString(ROOT.resolve("src/test/java/dev/troupe/tests/EmbeddingExample.java"));
    String region =
        source.substring(source.indexOf("// README:begin") + 15, source.indexOf("// README:end"));
    assertThat(lines(Files.readString(ROOT.resolve("README.md")))).containsAll(lines(region));
  }

  private static List<String> lines(String text) {
    return text.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
  }

  private static List<Path> documents() throws IOException {
    try (Stream<Path> docs = Files.walk(ROOT.resolve("docs"))) {
      return Stream.concat(
              Stream.of(ROOT.resolve("README.md")),
              docs.filter(path -> path.toString().endsWith(".md")))
          .toList();
    }
  }
}
