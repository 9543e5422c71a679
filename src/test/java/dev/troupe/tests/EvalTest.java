package dev.troupe.tests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.troupe.launcher.Troupe;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code troupe eval} on the quickstart's base, held to numbers of transformers that {@code
 * src/test/golden/evaluation} makes.
 */
class EvalTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Path DATA = Quickstarts.ROOT.resolve("src/test/resources/evaluation");

  /** In nats; the largest difference seen is 2e-7. */
  private static final double TOLERANCE = 5e-6;

  private static final String BASE =
      String.format(
          Locale.ROOT,
          """
          model = "%s"
          data {
            sft = [{ path = "%s" }]
            prompts = [{ path = "%s", columns { prompt = sentence, answer = kind } }]
          }
          """,
          Quickstarts.ROOT.resolve("configs/quickstart-base"),
          DATA.resolve("texts.jsonl"),
          DATA.resolve("labelled.jsonl"));

  private static final String CLASSIFICATION =
      """
      classification {
        template = "Customer: {text}\\nClerk:{label}\\n"
        labels { missing = [" We send new", " Sorry. We send"], price = [" The", " It costs"] }
      }
      """;

  private static final String ANSWERS =
      String.format(
          Locale.ROOT,
          """
          data.prompts = [{ path = "%s" }]
          generation { max-new-tokens = 24 }
          answers {
            per-problem = 3
            rewards {
              thanks { type = pattern, weight = 2, expression = "coin|!", use = contains }
              brief { type = pattern, weight = 1, expression = ".{1,20}", use = matches }
            }
            right = thanks
            pass-at = [1, 3]
          }
          against {}
          """,
          DATA.resolve("texts.jsonl"));

  @TempDir Path directory;
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String text, String... more) throws IOException {
    Path file = Files.writeString(directory.resolve("eval.conf"), BASE + text);
    List<String> arguments = new ArrayList<>(List.of("eval", file.toString()));
    arguments.addAll(List.of(more));
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Troupe.execute(
        new PrintWriter(out), new PrintWriter(err), arguments.toArray(String[]::new));
  }

  private JsonNode measured(String text, String... more) throws IOException {
    List<String> arguments = new ArrayList<>(List.of(more));
    arguments.add("--json");
    assertThat(run(text, arguments.toArray(String[]::new))).as(err.toString()).isZero();
    return JSON.readTree(out.toString());
  }

  private static JsonNode expected(String name) throws IOException {
    return JSON.readTree(DATA.resolve("expected.json").toFile()).get(name);
  }

  @Test
  void perplexity_isThatOfTransformers() throws IOException {
    for (String tokens : List.of("completion", "all")) {
      JsonNode own = measured("perplexity { tokens = " + tokens + " }").get("perplexity");
      JsonNode theirs = expected(tokens);
      assertThat(own.get("tokens").asInt()).isEqualTo(theirs.get("tokens").asInt());
      assertThat(own.get("loss").asDouble())
          .isCloseTo(theirs.get("loss").asDouble(), within(TOLERANCE));
      assertThat(own.get("perplexity").asDouble() / theirs.get("perplexity").asDouble())
          .isCloseTo(1, within(TOLERANCE));
    }
  }

  @Test
  void classification_isThatOfTransformers() throws IOException {
    same("sum-mean");
    same("mean-mean", "--set", "classification.score=mean");
    same("sum-max", "--set", "classification.words=max");
    same("calibrated", "--set", "classification.calibrate=N/A");
  }

  private void same(String name, String... more) throws IOException {
    JsonNode own = measured(CLASSIFICATION, more).get("classification");
    JsonNode theirs = expected(name);
    assertThat(own.get("loss").asDouble())
        .as(name)
        .isCloseTo(theirs.get("loss").asDouble(), within(TOLERANCE));
    assertThat(own.get("accuracy").get("share").asDouble())
        .as(name)
        .isEqualTo(theirs.get("accuracy").asDouble());
    assertThat(own.get("ties").asInt()).isZero();
  }

  @Test
  void examplesInContext_areNotClassified() throws IOException {
    JsonNode own =
        measured(CLASSIFICATION, "--set", "classification.examples=2").get("classification");
    assertThat(own.get("examples").asInt()).isEqualTo(2);
    assertThat(own.get("accuracy").get("count").asInt()).isEqualTo(4);
    assertThat(own.get("loss").asDouble())
        .as("the examples change what is likely")
        .isNotCloseTo(expected("sum-mean").get("loss").asDouble(), within(1e-4));
  }

  @Test
  void answers_areSampledScoredAndCompared() throws IOException {
    JsonNode all = measured(ANSWERS);
    JsonNode answers = all.get("answers");
    assertThat(answers.get("problems").asInt()).isEqualTo(4);
    assertThat(answers.get("answers").asInt()).isEqualTo(12);
    double thanks = answers.get("rewards").get("thanks").get("mean").asDouble();
    double brief = answers.get("rewards").get("brief").get("mean").asDouble();
    assertThat(answers.get("score").get("mean").asDouble())
        .isCloseTo(2 * thanks + brief, within(1e-12));
    assertThat(answers.get("right").get("share").asDouble()).isCloseTo(thanks, within(1e-12));
    JsonNode pass = answers.get("passAtK");
    assertThat(pass.get("1").get("share").asDouble()).isCloseTo(thanks, within(1e-12));
    assertThat(pass.get("3").get("share").asDouble())
        .as("answers to one problem differ")
        .isGreaterThan(pass.get("1").get("share").asDouble());
    // The same model with the same random numbers: every answer ties with itself.
    assertThat(all.get("against")).isEqualTo(answers);
    assertThat(all.get("winRate").get("share").asDouble()).isEqualTo(0.5);
    assertThat(all.get("winRate").get("ties").asInt()).isEqualTo(12);
    assertThat(measured(ANSWERS)).as("the same seed").isEqualTo(all);
  }

  @Test
  void text_isForAPerson() throws IOException {
    assertThat(run(CLASSIFICATION + "perplexity {}")).as(err.toString()).isZero();
    assertThat(out.toString())
        .contains("perplexity     257.88")
        .contains("classification 1.0000  [0.6097, 1.0000]")
        .contains("is \\ found  missing    price\n  missing           3        0\n");
    assertThat(err.toString()).contains("perplexity: 4 texts").contains("classify done in");
  }

  @Test
  void whatCannotBeMeasured_isToldWithHowToMendIt() throws IOException {
    refused("", "'perplexity' is null like answers and classification");
    refused("perplexiti {}", "unknown key 'perplexiti'");
    refused("perplexity {}\nadapter = no/such", "adapter is no/such, which is no directory");
    refused("perplexity {}\nagainst {}", "'answers' is null, allowed: a section where against");
    refused(
        ANSWERS + "generation.temperature = 0",
        "'generation.temperature' is 0.0, allowed: above 0 for several answers");
    refused(ANSWERS + "answers.pass-at = [4]", "'answers.pass-at' is [4], allowed: numbers from 1");
    refused(
        ANSWERS + "answers.rewards.m { type = model, weight = 1, placement = modern }",
        "'reward-model' is null, allowed: a directory");
    refused(
        ANSWERS + "reward-model = some/model",
        "'reward-model' is some/model, allowed: null where answers.rewards has none of type model:"
            + " nothing would be scored by it");
    refused(
        ANSWERS + "generation.max-new-tokens = 256",
        "generation.max-new-tokens is 256 and the model's context is 256 tokens");
    refused(CLASSIFICATION + "classification.template = \"{text}\"", "{label} once, behind them");
    refused(
        CLASSIFICATION + "classification.template = \"{body}: {label}\"",
        "labelled.jsonl:1: classification.template has {body}");
    refused(
        CLASSIFICATION + "classification.labels { missing = null, lost = [\" x\"] }",
        "labelled.jsonl:1: has the label 'missing', classification.labels has lost, price");
    refused(
        CLASSIFICATION + "classification.examples = 6", "at least one must be left to classify");
  }

  private void refused(String text, String message) throws IOException {
    assertThat(run(text)).as(text + err).isEqualTo(2);
    assertThat(err.toString()).contains(message).doesNotContain("internal error");
    assertThat(out.toString()).isEmpty();
  }
}
