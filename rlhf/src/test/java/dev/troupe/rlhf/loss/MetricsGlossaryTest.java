package dev.troupe.rlhf.loss;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every name that an objective or a recipe reports is defined in docs/metrics.md. */
class MetricsGlossaryTest {
  private static final Path ROOT = Path.of(System.getProperty("troupe.root", ".."));
  // metrics.put("name", …), averages.add("name", …) and the pairs of a Map.of in an objective.
  private static final Pattern REPORTED =
      Pattern.compile(
          "(?:metrics\\.put|averages\\.add)\\(\\s*\"(\\w+)\"|(?<!same\\(|above\\(|atLeast\\()\"([a-z][a-zA-Z]+)\", [a-z]\\w+(?:,|\\)| - )");

  @Test
  void glossary_everyReportedName_isDefined() throws IOException {
    Set<String> reported = new TreeSet<>();
    for (String folder : new String[] {"loss", "recipe"}) {
      reported.addAll(names(ROOT.resolve("rlhf/src/main/java/dev/troupe/rlhf/" + folder)));
    }
    assertThat(reported)
        .contains("clipFraction", "nll", "valueLoss", "valueMean", "margin", "kl", "heldOutLoss");
    String glossary = Files.readString(ROOT.resolve("docs/metrics.md"));
    assertThat(reported.stream().filter(name -> !glossary.contains("| `" + name + "` |")))
        .isEmpty();
  }

  private static Set<String> names(Path folder) throws IOException {
    Set<String> names = new TreeSet<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(MetricsGlossaryTest::reports).toList()) {
        Matcher matcher = REPORTED.matcher(Files.readString(file));
        while (matcher.find()) {
          names.add(matcher.group(1) != null ? matcher.group(1) : matcher.group(2));
        }
      }
    }
    return names;
  }

  /** Files that report: those whose name says objective or recipe, and some more. */
  private static boolean reports(Path file) {
    String name = file.getFileName().toString();
    return name.endsWith("Objective.java")
        || name.endsWith("Recipe.java")
        || name.equals("Evaluation.java")
        || name.equals("Guard.java")
        || name.equals("ScoreParts.java")
        || name.equals("EpisodeFigures.java")
        || name.equals("RolloutGap.java")
        || name.equals("Staleness.java");
  }
}
