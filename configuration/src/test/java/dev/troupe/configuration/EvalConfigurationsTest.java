package dev.troupe.configuration;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.EvalConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The keys of an evaluation, and docs/evaluation.md. */
class EvalConfigurationsTest {
  private static final Path DOCUMENT =
      Path.of(System.getProperty("troupe.root", "..")).resolve("docs/evaluation.md");
  private static final Pattern EXAMPLE =
      Pattern.compile("```text\n(model = .*?)```", Pattern.DOTALL);

  private final ConfigurationLoader<EvalConfig> loader = EvalConfigurations.loader();

  private static List<String> own() {
    return RecordKeys.paths(EvalConfig.class).stream()
        .filter(key -> !key.matches("(engine|data)(\\..*)?|environment\\..*"))
        .toList();
  }

  @Test
  void everyKey_isInTheDocument() throws IOException {
    String page = Files.readString(DOCUMENT);
    assertThat(own()).hasSizeGreaterThan(20);
    for (String key : own()) {
      assertThat(page).as("a row of the table of keys").contains("\n| `" + key + "` | ");
    }
    Matcher rows = Pattern.compile("(?m)^\\| `([^`]+)` \\| ").matcher(page);
    while (rows.find()) {
      assertThat(own()).as("what a row is of").contains(rows.group(1));
    }
  }

  /** Keys of what it shares with runs aside. */
  @Test
  void everyKey_hasAValueAndAComment() {
    assertThat(new ConfigurationReference(EvalConfig.class, loader.defaults()).gaps())
        .noneMatch(gap -> own().stream().anyMatch(key -> gap.startsWith(key + ":")))
        .noneMatch(
            gap ->
                gap.matches(
                    "template\\.(against|perplexity|answers|classification|java-environment|open-env|nemo-gym)\\..*"));
  }

  @Test
  void examplesOfTheDocument_load() throws IOException {
    Matcher examples = EXAMPLE.matcher(Files.readString(DOCUMENT));
    int loaded = 0;
    while (examples.find()) {
      var config = loader.parse(examples.group(1), List.of());
      assertThat(loader.parse(config.text(), List.of()).value()).isEqualTo(config.value());
      loaded++;
    }
    assertThat(loaded).isEqualTo(3);
  }
}
