package dev.troupe.tests.guess;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.actors.pipeline.Pipeline;
import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.actors.pipeline.RunHandle;
import dev.troupe.actors.pipeline.RunRequest;
import dev.troupe.actors.pipeline.RunResult;
import dev.troupe.actors.pipeline.StepListener;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.Troupe;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.recipe.GrpoRecipe;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Episodes of several turns in an environment of the user's, through a whole run. */
class GuessTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path ROOT = Path.of(System.getProperty("troupe.root"));
  private static final Path FILES = ROOT.resolve("src/test/java/dev/troupe/tests/guess");
  private static final Path CONFIGURATION =
      ROOT.resolve("src/test/resources/dev/troupe/tests/guess/run.conf");
  private static final Pattern JAVA = Pattern.compile("(?s)```java[^\n]*\n(.*?)```");

  @TempDir static Path directory;
  private static Path straight;
  private static RunResult result;
  private static final Map<Long, Map<String, Double>> METRICS = new ConcurrentHashMap<>();

  @BeforeAll
  static void run() throws Exception {
    Files.writeString(
        directory.resolve("games.jsonl"),
        IntStream.range(0, 30)
            .mapToObj(i -> "{\"prompt\":\"game " + i + "\"}\n")
            .collect(Collectors.joining()));
    Files.writeString(
        directory.resolve("form.jsonl"),
        IntStream.range(0, 200)
            .mapToObj(
                i ->
                    "{\"messages\":[{\"role\":\"user\",\"content\":\"game "
                        + i
                        + "\"},{\"role\":\"user\",\"content\":\"?\"},"
                        + "{\"role\":\"assistant\",\"content\":\""
                        + i % 10
                        + "\"}]}\n")
            .collect(Collectors.joining()));
    straight = directory.resolve("straight");
    result =
        Pipeline.start(
                config(straight),
                "",
                (stage, step, total, metrics) -> {
                  if (stage.equals("grpo")) {
                    METRICS.put(step, Map.copyOf(metrics));
                  }
                })
            .result()
            .get();
  }

  private static List<String> overrides(Path output, String... more) {
    List<String> all =
        new ArrayList<>(
            List.of(
                "output=\"" + output + "\"",
                "model=\"" + ROOT.resolve("configs/quickstart-base") + "\"",
                "data.chat-template=\""
                    + ROOT.resolve("configs/quickstart-tools/chat_template.jinja")
                    + "\"",
                "data.sft=[{path=\"" + directory.resolve("form.jsonl") + "\"}]",
                "data.prompts=[{path=\"" + directory.resolve("games.jsonl") + "\"}]"));
    all.addAll(List.of(more));
    return all;
  }

  private static PipelineConfig config(Path output, String... more) {
    return PipelineConfigurations.loader().load(CONFIGURATION, overrides(output, more)).value();
  }

  private static Path weights(Path run) {
    return run.resolve("grpo/model.safetensors");
  }

  @Test
  void episodes_haveSeveralTurns_andTheBooksBalance() {
    assertThat(result.outcome()).isEqualTo(RunResult.COMPLETED);
    GrpoRecipe.Result grpo = (GrpoRecipe.Result) result.results().get("grpo");
    assertThat(grpo.account().issued()).isEqualTo(4 * 16);
    assertThat(grpo.account().issued())
        .isEqualTo(grpo.account().trained() + grpo.account().droppedTotal());
    assertThat(grpo.account().trained()).isPositive();
    for (Map<String, Double> metrics : METRICS.values()) {
      assertThat(metrics.get("turns")).isBetween(1.0, 3.0);
      assertThat(metrics.get("responseLength")).isBetween(2.0, 12.0);
      assertThat(metrics.get("toolCalls")).isZero();
      assertThat(metrics.get("environment.found")).isEqualTo(metrics.get("rewards.game"));
    }
    assertThat(METRICS.values()).anySatisfy(it -> assertThat(it.get("turns")).isGreaterThan(1));
    assertThat(METRICS.values())
        .anySatisfy(it -> assertThat(it.get("observationTokens")).isPositive());
    assertThat(grpo.after().orElseThrow().metrics()).containsKeys("turns", "environment.found");
  }

  /** Also what was read stands there, and which tokens were sampled. */
  @Test
  void samples_saySampledTokens() throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(straight.resolve("samples.jsonl"))) {
      JsonNode sample = JSON.readTree(line);
      if (sample.path("stage").asText().equals("grpo")) {
        lines.add(sample);
      }
    }
    assertThat(lines)
        .isNotEmpty()
        .allSatisfy(
            line -> {
              assertThat(line.path("sampled")).hasSameSizeAs(line.path("logprobs"));
              assertThat(line.path("advantages")).hasSameSizeAs(line.path("logprobs"));
              assertThat(line.path("sampled").get(line.path("sampled").size() - 1).asInt())
                  .isLessThan(line.path("tokens").size());
              assertThat(line.path("prompt").asText()).endsWith("user:\n?\nbot:\n");
            });
    assertThat(lines)
        .anySatisfy(
            line ->
                assertThat(line.path("tokens").size()).isGreaterThan(line.path("sampled").size()));
  }

  @Test
  void cancelledAndResumed_endsInTheSameBytes() throws Exception {
    Path output = directory.resolve("resumed");
    CompletableFuture<RunHandle> started = new CompletableFuture<>();
    StepListener stop =
        (stage, step, total, metrics) -> {
          if (stage.equals("grpo") && step == 2) {
            started.join().cancel();
          }
        };
    started.complete(Pipeline.start(config(output), "", stop));
    assertThat(started.join().result().get().outcome()).isEqualTo(RunResult.CANCELLED);
    Pipeline.resume(config(output), "", StepListener.NONE).result().get();
    assertThat(weights(output)).hasSameBinaryContentAs(weights(straight));
  }

  /** With the run's request, under a name of its own; the same game gives the same run. */
  @Test
  void givenWithTheRequest_isTheSame() throws Exception {
    Path output = directory.resolve("given");
    GuessFactory game = new GuessFactory();
    List<Boolean> closed = new ArrayList<>();
    EnvironmentFactory mine =
        new EnvironmentFactory() {
          @Override
          public String name() {
            return "mine";
          }

          @Override
          public Environment create(Environment.Task task) {
            return game.create(task);
          }

          @Override
          public void close() {
            closed.add(true);
          }
        };
    Pipeline.start(
            RunRequest.of(config(output, "grpo.environment.name=mine"), "")
                .environments(List.of(mine)))
        .result()
        .get();
    assertThat(weights(output)).hasSameBinaryContentAs(weights(straight));
    assertThat(closed).hasSize(1);
  }

  @Test
  void badInput_isRefusedBeforeAnythingTrains() {
    assertThat(planned("grpo.environment.name=chess"))
        .contains(
            "grpo.environment: there is no environment 'chess'; there are [guess]. Name it in"
                + " META-INF/services/dev.troupe.rlhf.port.EnvironmentFactory");
    assertThat(planned("data.chat-template=null"))
        .contains("grpo.environment: episodes are written by a chat template");
    assertThat(planned("data.format=auto"))
        .contains("is plain text and is to be answered in an environment")
        .contains("set data.format = chat");
    assertThat(planned("grpo.environment=null"))
        .contains("'grpo.environment' is null")
        .contains("an environment, since one of the rewards is what it gives");
    assertThat(planned("grpo.episodes.concurrent=3"))
        .contains("'grpo.episodes.concurrent' is 3")
        .contains("at least answers-per-prompt (4)");
    assertThat(planned("grpo.episodes.max-observation-tokens=244"))
        .contains("episodes.max-observation-tokens is 256 and leaves no room for a prompt");
  }

  /** What the command says of a configuration that it refuses. */
  private static String planned(String... more) {
    StringWriter out = new StringWriter();
    List<String> arguments = new ArrayList<>(List.of("plan", CONFIGURATION.toString()));
    Stream.concat(overrides(directory.resolve("none")).stream(), Stream.of(more))
        .forEach(override -> arguments.addAll(List.of("--set", override)));
    int code =
        Troupe.execute(
            new PrintWriter(out, true),
            new PrintWriter(out, true),
            arguments.toArray(new String[0]));
    assertThat(code).as(out.toString()).isEqualTo(2);
    return out.toString();
  }

  /** docs/environments.md shows these files, not others. */
  @Test
  void theDocumentShowsThisCode() throws IOException {
    List<String> code = new ArrayList<>();
    try (Stream<Path> files = Files.list(FILES)) {
      for (Path file : files.toList()) {
        code.add(Files.readString(file));
      }
    }
    Matcher blocks = JAVA.matcher(Files.readString(ROOT.resolve("docs/environments.md")));
    int found = 0;
    while (blocks.find()) {
      String block = blocks.group(1);
      assertThat(code).as(block).anyMatch(file -> file.contains(block));
      found++;
    }
    assertThat(found).isPositive();
  }
}
