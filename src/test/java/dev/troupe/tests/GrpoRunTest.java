package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.PipelineException;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.Troupe;
import dev.troupe.rlhf.recipe.GrpoRecipe;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** configs/quickstart-grpo.conf with few steps: every part at work, nothing learned. */
class GrpoRunTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path CONFIGURATION =
      Quickstarts.ROOT.resolve("configs/quickstart-grpo.conf");

  @TempDir static Path directory;
  private static Path straight;
  private static RunResult result;

  @BeforeAll
  static void runStraight() throws Exception {
    Files.writeString(schema(), "{\"type\": \"number\"}");
    straight = directory.resolve("straight");
    result = Pipeline.start(config(straight), "", StepListener.NONE).result().get();
  }

  private static List<String> overrides(Path output, String... more) {
    List<String> overrides = new ArrayList<>(Quickstarts.whole(output));
    overrides.addAll(
        List.of(
            "data.sft=[{path=\"" + data("worked.jsonl") + "\"}]",
            "data.prompts=[{path=\"" + data("problems.jsonl") + "\"}]",
            "sft.epochs=2",
            "grpo.iterations=4",
            "grpo.rewards.form={type=json-schema, weight=0.1, schema=\"" + schema() + "\"}",
            "grpo.prompts-per-iteration=8",
            "grpo.answers-per-prompt=4",
            "grpo.minibatches=2",
            "grpo.groups.constant=refill",
            "grpo.groups.refills=2",
            "grpo.reuse=1",
            "grpo.kl.coefficient=0.01",
            "grpo.evaluate-every=2",
            "grpo.guard.act=warn",
            "grpo.guard.rewards.brief={type=length, fewest=1, most=3}",
            "grpo.evaluation.held-out=16",
            "checkpoints.every-steps=2"));
    overrides.addAll(List.of(more));
    return overrides;
  }

  private static Path schema() {
    return directory.resolve("schema.json");
  }

  private static Path data(String file) {
    return Quickstarts.ROOT.resolve("configs/quickstart-grpo").resolve(file);
  }

  private static PipelineConfig config(Path output, String... more) {
    return PipelineConfigurations.loader().load(CONFIGURATION, overrides(output, more)).value();
  }

  @Test
  void summary_hasTheRuleBeforeAndAfter_andTheBooksBalance() throws IOException {
    assertThat(result.outcome()).isEqualTo(RunResult.COMPLETED);
    GrpoRecipe.Result grpo = (GrpoRecipe.Result) result.results().get("grpo");
    assertThat(grpo.account().issued())
        .isEqualTo(grpo.account().trained() + grpo.account().droppedTotal());
    assertThat(grpo.groups()).isBetween(4 * 8L, 3 * 4 * 8L);
    assertThat(grpo.account().issued()).isEqualTo(4 * grpo.groups());
    assertThat(grpo.kl()).isPresent();

    JsonNode stage = JSON.readTree(result.summaryJson()).path("stages").path(1);
    assertThat(stage.path("stage").asText()).isEqualTo("grpo");
    for (String when : List.of("before", "after")) {
      JsonNode metrics = stage.path(when).path("metrics");
      assertThat(metrics.path("ruleSatisfied").asDouble(-1)).as(when).isBetween(0.0, 1.0);
      assertThat(metrics.path("rewards.right").asDouble(-1))
          .isEqualTo(metrics.path("ruleSatisfied").asDouble());
    }
    JsonNode sample = JSON.readTree(samples(straight).get(0));
    assertThat(sample.path("advantages")).isNotEmpty();
    assertThat(sample.has("values")).as("there is no critic").isFalse();
    assertThat(metrics(straight).get(metrics(straight).size() - 1))
        .contains("\"stage\":\"grpo\"", "\"constantGroups\"", "\"groupsAsked\"");
    assertThat(metrics(straight)).anyMatch(line -> line.contains("\"heldOutGuardRewards.brief\":"));
  }

  @Test
  void cancelledAfterEachStep_thenResumed_endsWithTheSameBytes() throws Exception {
    Path output = directory.resolve("cancelled");
    for (long step = 1; step < 4; step++) {
      assertThat(outcome(cancelledAt(output, step))).isEqualTo(RunResult.CANCELLED);
    }
    String before = Files.readString(schema());
    Files.writeString(schema(), "{\"type\": \"string\"}");
    assertThatThrownBy(() -> Pipeline.resume(config(output), "", StepListener.NONE))
        .isInstanceOf(PipelineException.class)
        .hasMessageContaining("the input " + schema() + " was 18 bytes, SHA-256 ")
        .hasMessageContaining("(stage grpo, which has begun, depends on it; remove ");
    Files.writeString(schema(), before);
    RunResult resumed = Pipeline.resume(config(output), "", StepListener.NONE).result().get();
    assertThat(resumed.results()).isEqualTo(result.results());
    assertSameAsStraight(output);
  }

  /** The policy on one node, the judge, which is the reference, on the other. */
  @Test
  void launchedOnTwoJvms_endsWithTheSameBytes() throws Exception {
    Path output = directory.resolve("launched");
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                Troupe.class.getName(),
                "launch",
                "--local",
                "2",
                CONFIGURATION.toString()));
    overrides(output).forEach(setting -> command.addAll(List.of("--set", setting)));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("TROUPE_HOME", directory.resolve("home").toString());
    Process launch = builder.start();
    String said = new String(launch.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(launch.waitFor()).as(said).isZero();
    assertThat(said).contains("node critic-policy: process ", "node judge: process ");
    assertSameAsStraight(output);
  }

  private static RunHandle cancelledAt(Path output, long step) {
    CompletableFuture<RunHandle> started = new CompletableFuture<>();
    StepListener listener =
        (atStage, atStep, total, metrics) -> {
          if (atStage.equals("grpo") && atStep == step) {
            started.join().cancel();
          }
        };
    RunHandle handle =
        step == 1
            ? Pipeline.start(config(output), "", listener)
            : Pipeline.resume(config(output), "", listener);
    started.complete(handle);
    return handle;
  }

  private static String outcome(RunHandle handle) throws Exception {
    return handle.result().get().outcome();
  }

  @Test
  void withoutReward_orWithAModelThatIsNotThere_isRefusedBeforeItRuns() {
    assertRefused(
        "grpo.rewards is {} and nothing says how good an answer is: name a reward",
        "grpo.rewards=null",
        "grpo.rewards={}");
    assertRefused(
        "'stages' is [sft, grpo], allowed: grpo with reward before it, or with a reward model named"
            + " as start.reward",
        "grpo.rewards.right={type=model}");
  }

  /** As the command tells it: a message, no stack trace, and exit code 2. */
  private static void assertRefused(String message, String... settings) {
    List<String> arguments = new ArrayList<>(List.of("plan", CONFIGURATION.toString()));
    for (String setting : overrides(directory.resolve("refused"), settings)) {
      arguments.addAll(List.of("--set", setting));
    }
    StringWriter err = new StringWriter();
    int code =
        Troupe.execute(
            new PrintWriter(new StringWriter()),
            new PrintWriter(err),
            arguments.toArray(String[]::new));
    assertThat(err.toString()).contains(message);
    assertThat(code).isEqualTo(2);
  }

  private static void assertSameAsStraight(Path output) throws IOException {
    assertThat(output.resolve("grpo/model.safetensors"))
        .hasSameBinaryContentAs(straight.resolve("grpo/model.safetensors"));
    assertThat(metrics(output)).isEqualTo(metrics(straight));
    assertThat(samples(output)).isEqualTo(samples(straight));
  }

  private static List<String> metrics(Path run) throws IOException {
    return Files.readAllLines(run.resolve("metrics.jsonl")).stream()
        .map(line -> line.replaceAll("\"(phaseSeconds\":\\{[^}]*}|tokensPerSecond\":[^,]*)", ""))
        .toList();
  }

  private static List<String> samples(Path run) throws IOException {
    return Files.readAllLines(run.resolve("samples.jsonl"));
  }
}
