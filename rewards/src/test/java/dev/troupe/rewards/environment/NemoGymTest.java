package dev.troupe.rewards.environment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.environment.EnvironmentConfig.NemoGym;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Against a server that answers as NeMo-Gym's counter does, with a cookie new in each reply. */
@Timeout(120)
class NemoGymTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String TOOLS =
      "[{\"type\":\"function\",\"name\":\"increment_counter\",\"description\":\"\",\"parameters\":"
          + "{\"type\":\"object\",\"properties\":{\"count\":{\"type\":\"integer\"}},\"required\":"
          + "[\"count\"]},\"strict\":true}]";

  @TempDir Path directory;
  private HttpServer server;
  private final Queue<String> requests = new ConcurrentLinkedQueue<>();
  private final Queue<String> cookies = new ConcurrentLinkedQueue<>();
  private final AtomicInteger replies = new AtomicInteger();
  private final CountDownLatch over = new CountDownLatch(1);

  /** Status and body by route. */
  private final Map<String, String> answers =
      new ConcurrentHashMap<>(
          Map.of(
              "/health", "200 {\"status\":\"ok\"}",
              "/seed_session", "200 {}",
              "/increment_counter", "200 {\"success\":true}",
              "/verify", "200 {\"reward\":1.0,\"mask_sample\":false,\"failure_kind\":null}"));

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task, "server");
              thread.setDaemon(true);
              return thread;
            }));
    server.createContext("/", this::answer);
    server.start();
  }

  @AfterEach
  void stop() {
    over.countDown();
    server.stop(0);
  }

  private void answer(HttpExchange exchange) throws IOException {
    String route = exchange.getRequestURI().getPath();
    String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
    requests.add(route + " " + body);
    String cookie = exchange.getRequestHeaders().getFirst("Cookie");
    cookies.add(route + " " + cookie);
    String answer = answers.getOrDefault(route, "404 {\"detail\":\"Not Found\"}");
    if (answer.equals("hang")) {
      try {
        over.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      exchange.close();
      return;
    }
    exchange
        .getResponseHeaders()
        .add(
            "set-cookie",
            "Counter___c=s" + replies.incrementAndGet() + "==; path=/; HttpOnly; SameSite=lax");
    byte[] bytes = answer.substring(4).getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(Integer.parseInt(answer.substring(0, 3)), bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  private String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  private EnvironmentFactory factory(double timeout, int attempts, String tools)
      throws IOException {
    Path file = directory.resolve("tools.json");
    Files.writeString(file, tools);
    return CheckedTools.all(new OutsideEnvironments(variable -> null))
        .make(
            "grpo.environment",
            new NemoGym(
                url(), Optional.of(file.toString()), 10, timeout, attempts, 1, Optional.empty()));
  }

  private Environment begun(double timeout, int attempts) throws Exception {
    Environment environment =
        factory(timeout, attempts, TOOLS)
            .create(
                new Environment.Task(
                    new Prompt(
                        "p",
                        "<user>add 4",
                        new TokenIds(new int[] {1}),
                        Optional.empty(),
                        Map.of("initial_count", 3, "expected_count", 7)),
                    "ep-1",
                    1));
    environment.reset();
    return environment;
  }

  private static Action says(String text) {
    return new Action(text, List.of());
  }

  private static Action adds(Object count) {
    return new Action("", List.of(new ToolCall("c1", "increment_counter", Map.of("count", count))));
  }

  private JsonNode last(String route) throws IOException {
    String found =
        requests.stream().filter(r -> r.startsWith(route + " ")).reduce((a, b) -> b).orElseThrow();
    return JSON.readTree(found.substring(route.length() + 1));
  }

  @Test
  void episode_isSeeded_calledAndVerified_withTheCookieOfEachReply() throws Exception {
    Environment environment = begun(60, 1);
    Observation seen = environment.step(adds(4));
    assertThat(seen.messages())
        .containsExactly(
            new ChatMessage(
                "tool",
                "{\"success\":true}",
                Map.of("name", "increment_counter", "tool_call_id", "c1")));
    assertThat(environment.step(says("It is 7.")))
        .isEqualTo(new Observation(List.of(), OptionalDouble.of(1), true, Map.of()));
    environment.close();
    assertThat(cookies)
        .containsExactly(
            "/health null",
            "/seed_session null",
            "/increment_counter Counter___c=s2==",
            "/verify Counter___c=s3==",
            "/close_session Counter___c=s4==");
    assertThat(last("/increment_counter").toString()).isEqualTo("{\"count\":4}");
    JsonNode seed = last("/seed_session");
    assertThat(seed.get("initial_count").asInt()).isEqualTo(3);
    assertThat(seed.get("responses_create_params").get("input").toString())
        .isEqualTo("[{\"role\":\"user\",\"content\":\"<user>add 4\"}]");
    JsonNode verify = last("/verify");
    assertThat(verify.get("expected_count").asInt()).isEqualTo(7);
    assertThat(verify.get("response").get("output"))
        .isEqualTo(
            JSON.readTree(
                "[{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"increment_counter\","
                    + "\"arguments\":\"{\\\"count\\\":4}\",\"status\":\"completed\"},{\"type\":"
                    + "\"function_call_output\",\"call_id\":\"c1\",\"output\":"
                    + "\"{\\\"success\\\":true}\"},{\"id\":\"msg_2\",\"type\":\"message\",\"role\":"
                    + "\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":"
                    + "\"output_text\",\"text\":\"It is 7.\",\"annotations\":[]}]}]"));
    assertThat(verify.get("response").get("tools").get(0).get("name").asText())
        .isEqualTo("increment_counter");
  }

  @Test
  void episodeThatIsCut_isVerifiedAsItStands() throws Exception {
    Environment environment = begun(60, 1);
    environment.step(adds(4));
    assertThat(environment.cut("It is").reward()).hasValue(1);
    assertThat(last("/verify").get("response").get("output").toString()).contains("It is");
  }

  @Test
  void partsOfTheReward_areKept_andAMaskedSampleHasNone() throws Exception {
    answers.put(
        "/verify", "200 {\"reward\":0.5,\"reward_components\":{\"format\":1,\"right\":0.25}}");
    Observation seen = begun(60, 1).step(says("done"));
    assertThat(seen.parts()).isEqualTo(Map.of("format", 1.0, "right", 0.25));
    answers.put(
        "/verify",
        "200 {\"reward\":0.0,\"mask_sample\":true,\"failure_kind\":\"judge_failed\","
            + "\"failure_reason\":\"the judge is down\"}");
    fails("judge_failed", "/verify: the judge is down", 1);
    answers.put("/verify", "200 {\"reward\":0.0,\"mask_sample\":true,\"failure_kind\":null}");
    fails("the verifier failed", "/verify: masked", 1);
  }

  private void fails(String reason, String message, int attempts) {
    assertThatThrownBy(() -> begun(60, attempts).step(says("done")))
        .isInstanceOfSatisfying(
            EpisodeException.class, e -> assertThat(e.reason()).isEqualTo(reason))
        .hasMessageContaining(message);
  }

  @Test
  void repliesThatAreNone_leaveTheEpisodeOut() throws Exception {
    answers.put("/verify", "200 <html>");
    fails("the environment's answer cannot be read", "no JSON: status 200: <html>", 1);
    answers.put("/verify", "200 {\"reward\":null}");
    fails("the environment's answer cannot be read", "a reward that is no finite number", 1);
    answers.put("/verify", "200 {\"reward\":1,\"reward_components\":{\"a\":\"b\"}}");
    fails("the environment's answer cannot be read", "a component a that is no finite number", 1);
    answers.put("/verify", "422 {\"detail\":[{\"type\":\"missing\"}]}");
    fails(
        "the environment refused",
        "/verify answered status 422: {\"detail\":[{\"type\":\"missing\"}]}, expected status 200",
        3);
    assertThat(requests.stream().filter(r -> r.startsWith("/verify"))).hasSize(4);
    answers.put("/verify", "500 broken");
    fails("the environment failed", "/verify answered status 500: broken", 2);
    assertThat(requests.stream().filter(r -> r.startsWith("/verify"))).hasSize(6);
    answers.put("/verify", "200 " + " ".repeat((1 << 20) + 1));
    fails("the environment did not answer", "the reply is longer than 1 MiB (max-megabytes)", 3);
  }

  @Test
  void toolThatFails_isForThePolicyToRead_andNotCalledTwice() throws Exception {
    Environment environment = begun(60, 3);
    answers.put("/increment_counter", "500 Internal Server Error");
    Observation seen = environment.step(adds(4));
    assertThat(seen.failedCalls()).isEqualTo(1);
    assertThat(seen.messages())
        .extracting(ChatMessage::content)
        .containsExactly("Internal Server Error");
    assertThat(requests.stream().filter(r -> r.startsWith("/increment_counter"))).hasSize(1);
    assertThat(environment.step(adds("four")).failedCalls()).isEqualTo(1);
    Action cheat = new Action("", List.of(new ToolCall("", "verify", Map.of())));
    assertThat(environment.step(cheat).parts()).isEqualTo(Map.of("unknownTool", 1.0));
    assertThat(requests).noneMatch(r -> r.startsWith("/verify"));
  }

  @Test
  void whatTheCallIsNotTheCauseOf_costsTheEpisode() throws Exception {
    Map<Integer, String> reasons =
        Map.of(
            302, "the environment refused",
            401, "the environment refused",
            403, "the environment refused",
            408, "the environment failed",
            429, "the environment failed",
            502, "the environment failed",
            503, "the environment failed",
            504, "the environment failed");
    reasons.forEach(
        (status, reason) -> {
          answers.put("/increment_counter", status + " <html>");
          assertThatThrownBy(() -> begun(60, 3).step(adds(4)))
              .isInstanceOfSatisfying(
                  EpisodeException.class, e -> assertThat(e.reason()).isEqualTo(reason))
              .hasMessage(
                  "grpo.environment: "
                      + url()
                      + "/increment_counter answered status "
                      + status
                      + ": <html>, expected status 200");
        });
    assertThat(requests.stream().filter(r -> r.startsWith("/increment_counter")))
        .hasSize(reasons.size());
    for (int status : List.of(400, 404, 409, 422, 500)) {
      answers.put("/increment_counter", status + " no");
      Observation seen = begun(60, 1).step(adds(4));
      assertThat(seen.failedCalls()).isEqualTo(1);
      assertThat(seen.messages()).extracting(ChatMessage::content).containsExactly("no");
    }
  }

  @Test
  void session_isClosedOnce_whereItWasSeeded_alsoUnverified() throws Exception {
    answers.put("/close_session", "500 broken");
    Environment environment = begun(60, 3);
    environment.step(adds(4));
    Thread.currentThread().interrupt(); // as a call that was given up leaves it
    environment.close();
    assertThat(Thread.interrupted()).isTrue();
    environment.close();
    assertThat(cookies).contains("/close_session Counter___c=s3==");
    assertThat(requests).filteredOn(r -> r.startsWith("/close_session")).hasSize(1);
    answers.put("/seed_session", "422 no");
    Environment none = factory(60, 1, TOOLS).create(OpenEnvEpisodes.task());
    assertThatThrownBy(none::reset).isInstanceOf(EpisodeException.class);
    none.close();
    assertThat(requests).filteredOn(r -> r.startsWith("/close_session")).hasSize(1);
  }

  @Test
  void serverThatHangs_isLeft() throws Exception {
    Environment environment = begun(2, 1);
    answers.put("/increment_counter", "hang");
    assertThatThrownBy(() -> environment.step(adds(4)))
        .isInstanceOfSatisfying(
            EpisodeException.class,
            e -> assertThat(e.reason()).isEqualTo("the environment took too long"))
        .hasMessage(
            "grpo.environment: "
                + url()
                + "/increment_counter: no reply within 2 s (timeout-seconds)");
  }

  @Test
  void serverThatIsNotThere_isAnErrorAtTheStart() {
    server.stop(0);
    assertThatThrownBy(() -> factory(60, 1, TOOLS))
        .isInstanceOf(EnvironmentException.class)
        .hasMessageContaining("/health did not answer: ")
        .hasMessageContaining(
            "a resources server of NeMo-Gym must be running at grpo.environment.url");
  }

  @Test
  void toolsThatCannotBeRead_areNamed() {
    Map<String, String> faults =
        Map.of(
            "{", "is not valid JSON, line 1",
            "{}", "is no list of tools",
            "[{\"name\": \"verify\"}]", "a tool in",
            "[{\"name\": \"a b\"}]", "is called \"a b\", expected a name of letters",
            "[{\"name\": \"a\"}, {\"name\": \"a\"}]", "two tools are called a");
    faults.forEach(
        (text, fault) ->
            assertThatThrownBy(() -> factory(60, 1, text))
                .isInstanceOf(EnvironmentException.class)
                .hasMessageContaining("grpo.environment")
                .hasMessageContaining(fault));
    assertThatThrownBy(
            () ->
                new OutsideEnvironments(variable -> null)
                    .make(
                        "g",
                        new NemoGym(
                            url(), Optional.of("/no/such/file"), 1, 1, 1, 1, Optional.empty())))
        .hasMessageContaining("g.tools: /no/such/file cannot be read");
  }
}
