package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.PipelineException;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stages start from what exists; a run that learns nothing is no success. */
class StartFromTest {
  @TempDir static Path directory;
  private static Path whole;

  private static PipelineConfig config(Path output, String... more) {
    List<String> overrides = new ArrayList<>(Quickstarts.shortened(output));
    overrides.add("ppo.iterations=1");
    overrides.addAll(List.of(more));
    return PipelineConfigurations.loader().load(Quickstarts.CONFIGURATION, overrides).value();
  }

  private static RunResult run(Path output, String... more) throws Exception {
    return Pipeline.start(config(output, more), "", StepListener.NONE).result().get();
  }

  @BeforeAll
  static void runAllStages() throws Exception {
    whole = directory.resolve("whole");
    run(whole, "stages=[sft, reward, ppo]");
  }

  @Test
  void ppoAlone_fromAnEarlierRunsStages_givesTheSameBytes() throws Exception {
    Path alone = directory.resolve("alone");
    run(
        alone,
        "stages=[ppo]",
        "start.policy=\"" + whole.resolve("sft") + "\"",
        "start.reward=\"" + whole.resolve("reward") + "\"");
    assertThat(alone.resolve("ppo/adapter_model.safetensors"))
        .hasSameBinaryContentAs(whole.resolve("ppo/adapter_model.safetensors"));
    assertThat(alone.resolve("policy")).isSymbolicLink();
    assertThat(alone.resolve("policy").toRealPath()).isEqualTo(alone.resolve("ppo").toRealPath());
    assertThat(alone.resolve("sft")).doesNotExist();
  }

  @Test
  void startsThatCannotBe_areToldBeforeAnythingIsMade() {
    Path output = directory.resolve("refused");
    assertThatThrownBy(() -> run(output, "stages=[ppo]", "start.reward=" + quoted("nowhere")))
        .isInstanceOf(PipelineException.class)
        .hasMessage(
            "start.reward is "
                + directory.resolve("nowhere")
                + ", which does not exist; name the directory of an adapter or of a model");
    assertThatThrownBy(() -> run(output, "stages=[ppo]", "start.reward=\"" + whole + "\""))
        .hasMessageContaining(
            "it is a run's directory; name what a stage left in it, for example "
                + whole.resolve("reward"));
    assertThatThrownBy(
            () -> run(output, "stages=[ppo]", "start.reward=\"" + whole.resolve("sft") + "\""))
        .hasMessageContaining("holds no value head");
    assertThatThrownBy(
            () ->
                run(
                    output,
                    "stages=[sft, dpo]",
                    "start.policy=\"" + whole.resolve("reward") + "\""))
        .hasMessageContaining("it holds a score");
    assertThatThrownBy(
            () ->
                run(
                    output,
                    "stages=[dpo]",
                    "dpo.tuning.rank=4",
                    "start.policy=\"" + whole.resolve("sft") + "\""))
        .hasMessageContaining("which has rank 8")
        .hasMessageContaining("the configuration asks for rank 4");
    assertThat(output).doesNotExist();
  }

  private static String quoted(String name) {
    return "\"" + directory.resolve(name) + "\"";
  }

  @Test
  void rateThatDestroysTheWeights_failsTheRun_andTheSummarySaysSo() throws Exception {
    Path output = directory.resolve("destroyed");
    assertThatThrownBy(
            () ->
                run(
                    output,
                    "stages=[sft]",
                    "sft.batch-size=8",
                    "sft.optimizer.learning-rate=1e38",
                    "sft.optimizer.warmup-steps=0",
                    "limits.skipped-updates=3"))
        .isInstanceOf(ExecutionException.class)
        .cause()
        .isInstanceOf(PipelineException.class)
        .hasMessageStartingWith(
            "stage sft failed after step 4 of 16: 3 updates of the policy in a row")
        .hasMessageContaining("were skipped, since step 2 (limits.skipped-updates = 3)");
    var summary = new ObjectMapper().readTree(output.resolve("summary.json").toFile());
    assertThat(summary.path("outcome").asText()).isEqualTo("failed");
    assertThat(summary.path("failure").asText()).startsWith("stage sft failed after step 4");
    assertThat(summary.path("stages").get(0).path("skippedUpdates").asInt()).isEqualTo(3);
    assertThat(summary.path("stages").get(0).path("finalLoss").isNull()).isTrue();
    assertThat(Files.readString(output.resolve("summary.json"))).doesNotContain("\"NaN\"");
    assertThat(output.resolve("sft")).doesNotExist();
  }
}
