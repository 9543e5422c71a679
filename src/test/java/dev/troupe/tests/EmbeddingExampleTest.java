package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.RunResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's example, run on a few steps of the quickstart. */
class EmbeddingExampleTest {
  @TempDir Path directory;

  /** With its page, on any free port. */
  private static List<String> overrides(Path output) {
    List<String> overrides = new ArrayList<>(Quickstarts.shortened(output));
    overrides.removeIf(override -> override.startsWith("dashboard."));
    overrides.add("dashboard.port=0");
    return overrides;
  }

  @Test
  void train_fewSteps_completes() {
    RunResult result =
        EmbeddingExample.train(Quickstarts.CONFIGURATION, overrides(directory.resolve("run")));
    assertThat(result.outcome()).isEqualTo("completed");
    assertThat(result.results()).containsOnlyKeys("sft", "reward", "ppo");
    assertThat(
            List.of("summary.json", "config.conf", "events.pb", "metrics.jsonl", "samples.jsonl"))
        .allSatisfy(name -> assertThat(result.directory().resolve(name)).isNotEmptyFile());
  }
}
