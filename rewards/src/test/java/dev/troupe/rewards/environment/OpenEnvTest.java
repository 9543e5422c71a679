package dev.troupe.rewards.environment;

import static dev.troupe.rewards.environment.OpenEnvEpisodes.begun;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.factory;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.fails;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.says;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.seen;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.task;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.environment.EnvironmentConfig.OpenEnv;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Against a server that speaks the captured wire. */
@Timeout(120)
class OpenEnvTest {
  private OpenEnvStandIn server;

  @BeforeEach
  void start() throws IOException {
    server = new OpenEnvStandIn(1);
  }

  @AfterEach
  void stop() throws IOException {
    server.close();
  }

  private OpenEnv config(OpenEnv.Use use, double timeout, int attempts) {
    return OpenEnvEpisodes.config(server, use, timeout, attempts);
  }

  private Environment episode() throws Exception {
    return begun(factory(config(OpenEnv.Use.ACTIONS, 60, 1)));
  }

  @Test
  void episode_speaksTheCapturedWire() throws Exception {
    EnvironmentFactory factory = factory(config(OpenEnv.Use.ACTIONS, 60, 1));
    assertThat(factory.tools()).isEmpty();
    Environment environment = factory.create(task());
    assertThat(environment.reset()).isEqualTo(seen("ready", 0));
    assertThat(says(environment, "hello")).isEqualTo(seen("hello", 0.5));
    assertThat(says(environment, " {\"message\": \"as JSON\"}")).isEqualTo(seen("as JSON", 0.5));
    assertThat(says(environment, "done it"))
        .isEqualTo(new Observation(List.of(), OptionalDouble.of(1), true, Map.of()));
    environment.close();
    assertThat(server.received())
        .containsExactly(
            "{\"type\":\"reset\",\"data\":{\"task_id\":\"t7\",\"seed\":42,\"episode_id\":\"ep-1\"}}",
            "{\"type\":\"step\",\"data\":{\"message\":\"hello\"}}",
            "{\"type\":\"step\",\"data\":{\"message\":\"as JSON\"}}",
            "{\"type\":\"step\",\"data\":{\"message\":\"done it\"}}",
            "{\"type\":\"close\"}");
    assertThat(server.server().heads())
        .noneMatch(head -> head.getOrDefault("upgrade", "").contains("h2c"));
  }

  @Test
  void rewards_areNumbersTruthOrNone() throws Exception {
    try (Environment environment = episode()) {
      assertThat(says(environment, "reward null").reward()).isEmpty();
      assertThat(says(environment, "reward true").reward()).hasValue(1);
      assertThat(says(environment, "reward false").reward()).hasValue(0);
      assertThat(says(environment, "reward -3").reward()).hasValue(-3);
      assertThat(says(environment, "reward 2.5").reward()).hasValue(2.5);
      fails(
          "the environment's answer cannot be read",
          "/ws answered with a reward that is neither a number, true, false nor null",
          () -> says(environment, "reward \"1\""));
      fails(
          "the environment's answer cannot be read",
          "a reward that is not finite",
          () -> says(environment, "reward 1e999"));
    }
  }

  @Test
  void wholeObservation_isReadAsJson_whereNoFieldIsNamed() throws Exception {
    OpenEnv named = config(OpenEnv.Use.ACTIONS, 60, 1);
    OpenEnv whole =
        new OpenEnv(
            named.url(),
            named.use(),
            "message",
            Optional.empty(),
            List.of(),
            1,
            30,
            60,
            1,
            1,
            1,
            Optional.empty());
    try (Environment environment = begun(factory(whole))) {
      assertThat(says(environment, "hi").messages())
          .containsExactly(
              new ChatMessage("user", "{\"metadata\":{\"step\":1},\"echoed\":\"hi\"}"));
    }
  }

  @Test
  void actionOfThePolicysOwn_thatIsNone_isToldToIt_andCounted() throws Exception {
    try (Environment environment = episode()) {
      assertThat(says(environment, "{\"msg\": 1}"))
          .isEqualTo(
              new Observation(
                  List.of(new ChatMessage("user", "{\"error\":\"said; message: Field required\"}")),
                  OptionalDouble.empty(),
                  false,
                  Map.of("invalidAction", 1.0)));
      assertThat(says(environment, "{\"message\": cut").messages()).hasSize(1);
    }
  }

  @Test
  void textThatIsNoAction_isToldToThePolicy_unlessNoTextIsOne() throws Exception {
    try (Environment environment = episode()) {
      for (String refusal : List.of("string_too_long message", "missing message kind")) {
        Observation seen = says(environment, "refuse " + refusal);
        assertThat(seen.parts()).isEqualTo(Map.of("invalidAction", 1.0));
        assertThat(seen.done()).isFalse();
        assertThat(seen.messages())
            .singleElement()
            .satisfies(message -> assertThat(message.content()).contains("no good"));
      }
      assertThat(says(environment, "still here")).isEqualTo(seen("still here", 0.5));
      for (String refusal : List.of("missing task", "extra_forbidden message")) {
        assertThatThrownBy(() -> says(environment, "refuse " + refusal))
            .isInstanceOf(EnvironmentException.class)
            .hasMessageContaining("Is grpo.environment.action-field (message) the field");
      }
    }
  }

  @Test
  void lastObservation_needsNoFieldToShow() throws Exception {
    try (Environment environment = episode()) {
      assertThat(says(environment, "last"))
          .isEqualTo(new Observation(List.of(), OptionalDouble.of(1), true, Map.of()));
    }
  }

  @Test
  void nothingToSee_isAnEmptyTurn_andNoneBeforeTheFirst() throws Exception {
    server.resetsAnswer(OpenEnvStandIn.observation("{\"echoed\":\"\"}", "null", false));
    EnvironmentFactory factory = factory(config(OpenEnv.Use.ACTIONS, 60, 1));
    try (Environment environment = factory.create(task())) {
      assertThat(environment.reset().messages()).isEmpty();
      Observation seen = says(environment, "{\"message\": \"\"}");
      assertThat(seen.done()).isFalse();
      assertThat(seen.messages()).containsExactly(new ChatMessage("user", ""));
    }
  }

  @Test
  void toolsAreListed_beforeAnEpisodeTakesTheOnlyPlace() throws Exception {
    EnvironmentFactory factory = factory(config(OpenEnv.Use.TOOLS, 60, 1));
    begun(factory).close();
    begun(factory).close();
  }

  @Test
  void fieldsThatTheServerHasNot_areAnErrorAtTheStart() throws Exception {
    OpenEnv config =
        new OpenEnv(
            server.url(),
            OpenEnv.Use.ACTIONS,
            "text",
            Optional.empty(),
            List.of(),
            1,
            30,
            60,
            1,
            1,
            1,
            Optional.empty());
    assertThatThrownBy(() -> factory(config))
        .isInstanceOf(EnvironmentException.class)
        .hasMessage(
            "grpo.environment.action-field is text, and "
                + server.url()
                + "/schema has no such field; it has [message]");
    server.server().route("/schema", 404, "{}");
    try (Environment environment = begun(factory(config))) {
      assertThatThrownBy(() -> says(environment, "hello"))
          .isInstanceOf(EnvironmentException.class)
          .hasMessageContaining(
              "refuses the action {\"text\":\"hello\"}: said; message: Field required")
          .hasMessageContaining("grpo.environment.action-field (text)");
    }
    server
        .server()
        .route(
            "/schema",
            200,
            "{\"action\":{\"properties\":{\"type\":{},\"tool_name\":{},\"arguments\":{}}}}");
    assertThatThrownBy(() -> factory(config)).hasMessageContaining("needs use = tools");
  }

  @Test
  void missingFieldsOfDataAndObservation_areNamed() throws Exception {
    OpenEnv config =
        new OpenEnv(
            server.url(),
            OpenEnv.Use.ACTIONS,
            "message",
            Optional.of("reply"),
            List.of("level"),
            1,
            30,
            60,
            1,
            1,
            1,
            Optional.empty());
    assertThatThrownBy(() -> factory(config))
        .hasMessageContaining("grpo.environment.observation-field is reply, and")
        .hasMessageContaining("it has [echoed]");
    server.server().route("/schema", 501, "none");
    assertThatThrownBy(() -> begun(factory(config)))
        .isInstanceOf(EnvironmentException.class)
        .hasMessage(
            "grpo.environment.reset-fields has level, and prompt p-1 has no such field in its"
                + " data; it has [task_id]");
  }

  @Test
  void token_isSent_butNotInTheOpen() throws Exception {
    OpenEnv here =
        new OpenEnv(
            server.url(),
            OpenEnv.Use.ACTIONS,
            "message",
            Optional.empty(),
            List.of(),
            1,
            30,
            60,
            1,
            1,
            1,
            Optional.of("TOKEN"));
    begun(factory(here)).close();
    assertThat(server.server().heads())
        .isNotEmpty()
        .allMatch(head -> "Bearer secret".equals(head.get("authorization")));
    assertThatThrownBy(
            () ->
                factory(
                    new OpenEnv(
                        "http://example.org",
                        here.use(),
                        "message",
                        Optional.empty(),
                        List.of(),
                        1,
                        30,
                        60,
                        1,
                        1,
                        1,
                        Optional.of("TOKEN"))))
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining(
            "a token is not sent over a connection that anyone on the way can read");
    assertThatThrownBy(
            () ->
                factory(
                    new OpenEnv(
                        server.url(),
                        here.use(),
                        "message",
                        Optional.empty(),
                        List.of(),
                        1,
                        30,
                        60,
                        1,
                        1,
                        1,
                        Optional.of("ABSENT"))))
        .hasMessage(
            "grpo.environment.token-variable is ABSENT, and the environment has no such variable;"
                + " set it, or take the key out");
  }

  @Test
  void tools_areListed_called_andChecked() throws Exception {
    EnvironmentFactory factory = factory(config(OpenEnv.Use.TOOLS, 60, 1));
    assertThat(factory.tools())
        .extracting(tool -> String.valueOf(((Map<?, ?>) tool.get("function")).get("name")))
        .containsExactly("add", "fail");
    Environment environment = factory.create(task());
    assertThat(environment.reset().messages()).isEmpty();
    ToolCall add = new ToolCall("c1", "add", Map.of("a", 2, "b", 3));
    ToolCall fail = new ToolCall("c2", "fail", Map.of());
    Observation seen =
        environment.step(
            new Action(
                "",
                List.of(
                    add,
                    new ToolCall("c3", "add", Map.of("a", "two", "b", 3)),
                    new ToolCall("c4", "subtract", Map.of()),
                    fail)));
    assertThat(seen.messages())
        .extracting(ChatMessage::content)
        .containsExactly(
            "5",
            "{\"error\":\"Bad arguments of add: $.a: string found, integer expected\"}",
            "{\"error\":\"There is no tool subtract; there are: add, fail.\"}",
            "{\"error\":\"boom!\"}");
    assertThat(seen.messages())
        .allMatch(message -> message.role().equals("tool"))
        .extracting(message -> message.fields().get("tool_call_id"))
        .containsExactly("c1", "c3", "c4", "c2");
    assertThat(seen.parts()).isEqualTo(Map.of("unknownTool", 1.0, "badArguments", 1.0));
    assertThat(seen.failedCalls()).isEqualTo(3);
    assertThat(seen.reward()).isEmpty();
    assertThat(seen.done()).isFalse();
    assertThat(says(environment, "It is 5."))
        .isEqualTo(new Observation(List.of(), OptionalDouble.empty(), true, Map.of()));
    environment.close();
    assertThat(server.received())
        .contains(
            "{\"type\":\"step\",\"data\":{\"type\":\"list_tools\"}}",
            "{\"type\":\"step\",\"data\":{\"type\":\"call_tool\",\"tool_name\":\"fail\","
                + "\"arguments\":{}}}");
    assertThat(server.received()).noneMatch(text -> text.contains("subtract"));
  }
}
