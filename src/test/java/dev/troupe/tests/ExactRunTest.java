package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.engine.HybridEngines;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.NativeLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whole runs that are exactly on policy: with one update a round its ratio is 1, and no sampled
 * log-probability differs from the one that it is computed again as.
 */
class ExactRunTest {
  /** A mean of ones is added up of shares, each rounded. */
  private static final Offset<Double> EXACTLY = within(1e-12);

  @TempDir Path directory;

  @Test
  void ppo_inFp32() throws Exception {
    List<JsonNode> steps =
        check(
            "ppo",
            steps(
                Quickstarts.CONFIGURATION,
                0,
                "engine.on-policy=exact",
                "quickstart.answered=96",
                "quickstart.preferences=96",
                "quickstart.prompts=96",
                "sft.held-out=16",
                "reward.held-out=16",
                "ppo.iterations=2",
                "ppo.ppo-epochs=1",
                "ppo.minibatches=1",
                "ppo.prompts-per-iteration=24",
                "ppo.evaluation.held-out=8"));
    // What has not learned yet is its reference.
    assertThat(steps.get(0).get("kl").asDouble()).isZero();
  }

  /** Every weight is trained, and rollout workers answer. */
  @Test
  void grpo_inBf16_withRolloutWorkers() throws Exception {
    Path configuration = Quickstarts.ROOT.resolve("configs/quickstart-grpo.conf");
    Path data = configuration.resolveSibling("quickstart-grpo");
    check(
        "grpo",
        steps(
            configuration,
            2,
            "engine.on-policy=exact",
            "engine.precision=bf16",
            "engine.rollout-weights=bf16",
            "data.sft=[{path=\"" + data.resolve("worked.jsonl") + "\"}]",
            "data.prompts=[{path=\"" + data.resolve("problems.jsonl") + "\"}]",
            "sft.epochs=1",
            "grpo.iterations=2",
            "grpo.minibatches=1",
            "grpo.prompts-per-iteration=8",
            "grpo.answers-per-prompt=4",
            "grpo.kl.coefficient=0.05",
            "grpo.evaluation.held-out=8"));
  }

  private static List<JsonNode> check(String stage, List<JsonNode> steps) {
    List<JsonNode> found =
        steps.stream().filter(step -> step.get("stage").asText().equals(stage)).toList();
    assertThat(found).hasSize(2);
    for (JsonNode step : found) {
      assertThat(step.get("ratio").asDouble()).as("%s", step).isCloseTo(1, EXACTLY);
      assertThat(step.get("approxKl").asDouble()).as("%s", step).isZero();
      assertThat(step.get("logprobGapMax").asDouble()).as("%s", step).isZero();
      assertThat(step.get("logprobGapMean").asDouble()).as("%s", step).isZero();
    }
    return found;
  }

  private List<JsonNode> steps(Path configuration, int rolloutWorkers, String... more)
      throws Exception {
    assumeTrue(NativeLibrary.state() instanceof NativeLibrary.Loaded);
    Path output = directory.resolve("run");
    List<String> overrides = new ArrayList<>(Quickstarts.whole(output));
    overrides.addAll(List.of(more));
    var loaded = PipelineConfigurations.loader().load(configuration, overrides);
    try (Lanes lanes = new Lanes(2)) {
      Ensemble here = Ensemble.local(new HybridEngines(lanes), rolloutWorkers);
      Pipeline.start(RunRequest.of(loaded.value(), loaded.text()).on(here)).result().get();
    }
    return metrics(output);
  }

  private static List<JsonNode> metrics(Path run) throws IOException {
    List<JsonNode> steps = new ArrayList<>();
    for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
      steps.add(new ObjectMapper().readTree(line));
    }
    return steps;
  }
}
