package dev.troupe.rewards.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.environment.EnvironmentConfig.OpenEnv;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
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
    return new OpenEnv(
        server.url(),
        use,
        "message",
        use == OpenEnv.Use.ACTIONS ? Optional.of("echoed") : Optional.empty(),
        List.of("task_id"),
        1,
        30,
        timeout,
        attempts,
        0.1,
        1,
        Optional.empty());
  }

  private static EnvironmentFactory factory(OpenEnv config) {
    return new OutsideEnvironments(variable -> variable.equals("TOKEN") ? "secret" : null)
        .make("grpo.environment", config);
  }

  private static Environment.Task task() {
    return new Environment.Task(
        new Prompt(
            "p-1", "ask", new TokenIds(new int[] {1}), Optional.empty(), Map.of("task_id", "t7")),
        "ep-1",
        42L + (1L << 40));
  }

  private Environment begun(EnvironmentFactory factory) throws Exception {
    Environment environment = factory.create(task());
    try {
      environment.reset();
      return environment;
    } catch (Exception e) {
      environment.close();
      throw e;
    }
  }

  private Environment begun() throws Exception {
    return begun(factory(config(OpenEnv.Use.ACTIONS, 60, 1)));
  }

  private static Observation says(Environment environment, String text) throws Exception {
    return environment.step(new Action(text, List.of()));
  }

  private static Observation seen(String text, double reward) {
    return new Observation(
        List.of(new ChatMessage("user", text)), OptionalDouble.of(reward), false, Map.of());
  }

  private static void fails(String reason, String message, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            EpisodeException.class, e -> assertThat(e.reason()).isEqualTo(reason))
        .hasMessageContaining(message);
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
    try (Environment environment = begun()) {
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
    try (Environment environment = begun()) {
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
  void everyErrorCode_hasItsMessage_andASessionMayGoOn() throws Exception {
    String ws = "grpo.environment: " + server.url() + "/ws";
    Environment environment = begun();
    fails(
        "the environment failed", ws + ": said", () -> says(environment, "error EXECUTION_ERROR"));
    fails(
        "the environment failed",
        ws + ": the server could not make an environment: said",
        () -> says(environment, "error FACTORY_ERROR"));
    fails(
        "the environment lost the session", "said", () -> says(environment, "error SESSION_ERROR"));
    fails("the environment refused", "NEW_CODE said", () -> says(environment, "error NEW_CODE"));
    fails(
        "the environment has no place",
        "the server is full: ? of ? sessions",
        () -> says(environment, "error CAPACITY_REACHED"));
    for (String code : List.of("INVALID_JSON", "UNKNOWN_TYPE")) {
      assertThatThrownBy(() -> says(environment, "error " + code))
          .isInstanceOf(EnvironmentException.class)
          .hasMessageContaining(ws + " does not understand {\"type\":\"step\"")
          .hasMessageEndingWith(code + " said; expected a server of OpenEnv 0.2 or later");
    }
    fails("the environment's answer cannot be read", "no JSON", () -> says(environment, "garbage"));
    fails(
        "the environment's answer cannot be read",
        "neither an observation nor an error",
        () -> says(environment, "unknown"));
    assertThat(says(environment, "still here")).isEqualTo(seen("still here", 0.5));
    environment.close();
    server.resetsAnswer(OpenEnvStandIn.error("VALIDATION_ERROR", ""));
    fails("the environment refused", "the reset is refused: said", this::begun);
  }

  @Test
  void answerThatIsLate_isNobodys() throws Exception {
    EnvironmentFactory factory = factory(config(OpenEnv.Use.ACTIONS, 0.3, 4));
    Environment late = factory.create(task());
    late.reset();
    fails(
        "the environment took too long",
        "/ws: no answer within 0.3 s (timeout-seconds) to {\"type\":\"step\"",
        () -> says(late, "hang"));
    fails("the environment closed the connection", "it was dropped", () -> says(late, "hello"));
    late.close();
  }

  @Test
  void frameThatNobodyAskedFor_isNotTakenForAnAnswer() throws Exception {
    Environment environment = begun();
    assertThat(says(environment, "twice").reward()).hasValue(1);
    awaitUnasked();
    fails(
        "the environment answered out of turn",
        "/ws sent unasked: {\"type\":\"observation\"",
        () -> says(environment, "hello"));
    environment.close();
  }

  /** Frames of one write arrive together; a request to another route goes behind them. */
  private void awaitUnasked() throws Exception {
    for (int i = 0; i < 20; i++) {
      factory(config(OpenEnv.Use.ACTIONS, 60, 1));
    }
  }

  @Test
  void serverThatIsFull_isTriedAgain_soManyTimes() throws Exception {
    EnvironmentFactory one = factory(config(OpenEnv.Use.ACTIONS, 60, 1));
    Environment first = begun(one);
    fails(
        "the environment has no place",
        "/ws: 2 attempts, the last: the server is full: 1 of 1 sessions; raise its"
            + " max_concurrent_envs, or lower sessions",
        () -> begun(factory(config(OpenEnv.Use.ACTIONS, 60, 2))));
    fails(
        "the environment has no place",
        "all 1 sessions were in use for 0.1 s (place-seconds)",
        () -> one.create(task()));
    first.close();
    begun(one).close();
    begun(factory(config(OpenEnv.Use.ACTIONS, 60, 1))).close();
  }

  @Test
  void framesThatAreTooLong_bytes_andClosing_endTheEpisodeAlone() throws Exception {
    Map<String, String> ends =
        Map.of(
            "big", "it sent a message longer than 1 MiB (max-megabytes)",
            "bytes", "it sent bytes, expected text",
            "closes", "closed with 1009");
    for (Map.Entry<String, String> end : ends.entrySet()) {
      // The stand-in counts a session that is cut as taken, as long as nobody closes it.
      try (OpenEnvStandIn other = new OpenEnvStandIn(1)) {
        OpenEnv config = config(OpenEnv.Use.ACTIONS, 60, 1);
        OpenEnv there =
            new OpenEnv(
                other.url(),
                config.use(),
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
        Environment environment = begun(factory(there));
        fails(
            "the environment closed the connection",
            end.getValue(),
            () -> says(environment, end.getKey()));
        environment.close();
      }
    }
    try (Environment environment = begun()) {
      fails(
          "the environment refused",
          "a message of more than 1 MiB was not sent (max-megabytes)",
          () -> says(environment, "x".repeat(1 << 20)));
      assertThat(says(environment, "hello").reward()).hasValue(0.5);
    }
  }

  @Test
  void serverThatGoes_isTriedAgain_thenLeftOut() throws Exception {
    EnvironmentFactory factory = factory(config(OpenEnv.Use.ACTIONS, 60, 2));
    server.close();
    fails("the environment did not answer", "/ws: 2 attempts, the last: ", () -> begun(factory));
    fails("the environment did not answer", "/ws", () -> begun(factory));
    assertThatThrownBy(() -> factory(config(OpenEnv.Use.ACTIONS, 60, 2)))
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining("grpo.environment: " + server.url() + "/health did not answer: ")
        .hasMessageEndingWith(
            "an OpenEnv server must be running at grpo.environment.url before the run begins");
  }

  @Test
  void handshakesAndHealth_thatAreRefused_endTheRun() throws Exception {
    EnvironmentFactory factory = factory(config(OpenEnv.Use.ACTIONS, 60, 2));
    server.server().route("/ws", 404, "{}");
    assertThatThrownBy(() -> begun(factory))
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining(
            "/ws answered status 404, expected a WebSocket: sessions need OpenEnv 0.2");
    server.server().route("/ws", 401, "{}");
    assertThatThrownBy(() -> begun(factory(config(OpenEnv.Use.ACTIONS, 60, 2))))
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining("/ws answered status 401; is token-variable set and right?");
    server.server().route("/ws", 503, "{}");
    fails(
        "the environment did not answer",
        "/ws: 2 attempts, the last: status 503",
        () -> begun(factory(config(OpenEnv.Use.ACTIONS, 60, 2))));
    server.server().route("/health", 403, "{\"detail\": \"no\"}");
    assertThatThrownBy(() -> factory(config(OpenEnv.Use.ACTIONS, 60, 2)))
        .hasMessageContaining(
            "/health answered status 403: {\"detail\": \"no\"}, expected status 200 of an OpenEnv server; is");
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
