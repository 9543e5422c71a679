package dev.troupe.rewards.environment;

import static dev.troupe.rewards.environment.OpenEnvEpisodes.begun;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.factory;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.fails;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.says;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.seen;
import static dev.troupe.rewards.environment.OpenEnvEpisodes.task;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.rlhf.environment.EnvironmentConfig.OpenEnv;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What goes wrong at a server, each with its message and its kind. */
@Timeout(120)
class OpenEnvFailuresTest {
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
  void everyErrorCode_hasItsMessage_andASessionMayGoOn() throws Exception {
    String ws = "grpo.environment: " + server.url() + "/ws";
    Environment environment = episode();
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
    fails("the environment refused", "the reset is refused: said", this::episode);
  }

  @Test
  void answerThatIsLate_isNobodys() throws Exception {
    EnvironmentFactory factory = factory(config(OpenEnv.Use.ACTIONS, 2, 1));
    Environment late = factory.create(task());
    late.reset();
    fails(
        "the environment took too long",
        "/ws: no answer within 2 s (timeout-seconds) to {\"type\":\"step\"",
        () -> says(late, "hang"));
    fails("the environment closed the connection", "it was dropped", () -> says(late, "hello"));
    late.close();
  }

  @Test
  void frameThatNobodyAskedFor_isNotTakenForAnAnswer() throws Exception {
    Environment environment = episode();
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
    try (Environment environment = episode()) {
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
}
