package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.actors.pipeline.RunForecast;
import dev.troupe.configuration.PipelineConfigurations;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReplicaCoresTest {
  private static final Path CONFIGS =
      Path.of(System.getProperty("troupe.root", "..")).resolve("configs");

  private static List<String> idle(int lanes, String... more) {
    List<String> overrides =
        new ArrayList<>(
            List.of(
                "model=" + CONFIGS.resolve("quickstart-base"),
                "engine.device=cpu",
                "stages=[sft]"));
    overrides.addAll(List.of(more));
    return ReplicaCores.idle(
        RunForecast.of(
            PipelineConfigurations.loader()
                .load(CONFIGS.resolve("cluster-replicas.conf"), overrides)
                .value(),
            RunForecast.Purpose.PLAN),
        lanes);
  }

  /** 32 texts of at most 38 tokens, 512 at once: three micro-batches at most. */
  @Test
  void moreCoresThanMicroBatches_areTold() {
    assertThat(idle(2))
        .containsExactly(
            "a step of the policy in sft has at most 3 micro-batches, fewer than the 4 cores of its"
                + " 2 replicas on nodes like this one: some will have nothing to do. Smaller"
                + " micro-batch-tokens of its optimizer cut it finer, more samples a step give more"
                + " to do");
    assertThat(idle(1)).isEmpty();
    assertThat(idle(2, "sft.optimizer.micro-batch-tokens=300")).isEmpty();
    assertThat(idle(64, "cluster.policy.replicas=1")).isEmpty();
  }
}
