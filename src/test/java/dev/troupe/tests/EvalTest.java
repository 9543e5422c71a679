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

  /** The small base, which has learned no call, in the calculator's environment. */
  private static final String EPISODES =
      String.format(
          Locale.ROOT,
          """
          data.format = chat
          data.chat-template = "%1$s/chat_template.jinja"
          data.prompts = [{ path = "%1$s/problems.jsonl" }]
          data.max-records = 1000
          environment { type = calculator }
          episodes { max-turns = 2, max-observation-tokens = 64 }
          generation { max-new-tokens = 16 }
          answers { per-problem = 1, rewards { right { type = exact } } }
          """,
          Quickstarts.ROOT.resolve("configs/quickstart-tools"));

  @Test
  void episodes_arePlayedAndCounted() throws IOException {
    Files.writeString(
        directory.resolve("two.jsonl"),
        """
        {"prompt":"2 * 3","answer":"6"}
        {"prompt":"4 * 5","answer":"20","chat_template_kwargs":{"x":1}}
        """);
    String two = "data.prompts=[{path=\"" + directory.resolve("two.jsonl") + "\"}]";
    JsonNode answers = measured(EPISODES, "--set", two).get("answers");
    assertThat(answers.get("problems").asInt()).isEqualTo(2);
    assertThat(answers.get("right").get("count").asInt()).isEqualTo(2);
    JsonNode episodes = answers.get("episodes");
    assertThat(episodes.get("played").asInt()).isEqualTo(2);
    int ended = 0;
    for (JsonNode count : episodes.get("ends")) {
      ended += count.asInt();
    }
    assertThat(ended).isEqualTo(2);
    assertThat(episodes.get("turns").get("mean").asDouble()).isBetween(1.0, 2.0);
    assertThat(episodes.get("toolCalls").get("count").asInt()).isEqualTo(2);
    assertThat(run(EPISODES, "--set", two)).isZero();
    assertThat(out.toString()).contains("\n  episodes     2: ").contains("\n  turns        ");
  }

  /** Its steps give rewards, and one kind of episode fails. */
  @Test
  void episodesThatFail_areLeftOut_andNotZero() throws IOException {
    Files.writeString(directory.resolve("games.jsonl"), "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n");
    String game =
        EPISODES
            + "data.prompts = [{ path = \""
            + directory.resolve("games.jsonl")
            + "\" }]\nenvironment { type = java, name = guess }\nanswers.right = game\n"
            + "answers.rewards { right = null, game { type = environment } }\n";
    JsonNode answers = measured(game).get("answers");
    assertThat(answers.get("rewards").get("game").get("count").asInt()).isEqualTo(2);
    assertThat(answers.get("episodes").get("environment.found").get("count").asInt()).isEqualTo(2);
    refused(
        game + "episodes.max-observation-tokens = 1",
        "rewards: none of the answers could be scored: what the environment shows at first is too"
            + " long (2)");
  }

  @Test
  void environmentThatCannotBePlayedIn_isToldWithHowToMendIt() throws IOException {
    refused(
        EPISODES + "episodes.concurrent = 1\nanswers.per-problem = 2",
        "'episodes.concurrent' is 1, allowed: at least answers.per-problem (2)");
    refused(
        EPISODES + "environment = null\nanswers.rewards.w { type = environment }",
        "'environment' is null, allowed: an environment, for answers.rewards has one of type"
            + " environment");
    refused(
        EPISODES + "answers = null\nperplexity {}",
        "'answers' is null, allowed: a section where environment names one");
    refused(
        EPISODES + "episodes.tool-calls = hermess",
        "'episodes.tool-calls' is the text \"hermess\", expected one of hermes, qwen-coder, llama, mistral,"
            + " glm, gpt-oss, deepseek, deepseek-dsml, gemma, lfm");
    refused(
        EPISODES + "data.chat-template = no/such",
        "data.chat-template is no/such, which is no file; name one with a Jinja template");
    refused(
        EPISODES + "data.chat-template = null",
        "environment: episodes are written by a chat template, and the model brings none");
    refused(
        EPISODES + "generation.max-new-tokens = 200",
        "generation.max-new-tokens + episodes.max-observation-tokens is 264 and the model's context"
            + " is 256 tokens");
  }
}
