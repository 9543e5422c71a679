package dev.troupe.rewards;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Scores;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against a real server. */
@Timeout(60)
class HttpScorerTest {
  private interface Answering {
    void answer(HttpExchange exchange, int request) throws IOException;
  }

  private final ConcurrentLinkedQueue<String> bodies = new ConcurrentLinkedQueue<>();
  private final AtomicInteger requests = new AtomicInteger();
  private HttpServer server;
  private Answering answering = (exchange, request) -> reply(exchange, 200, "{\"scores\": []}");

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newCachedThreadPool(task -> Threads.daemon(task, "server")));
    server.createContext(
        "/score",
        exchange -> {
          bodies.add(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
          answering.answer(exchange, requests.incrementAndGet());
        });
    server.start();
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private static void reply(HttpExchange exchange, int status, String body) throws IOException {
    byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  private String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort() + "/score";
  }

  private HttpScorer scorer(int batch, double timeout, int attempts, int failuresToBreak) {
    return new HttpScorer(
        "grpo.rewards.judge",
        new RewardConfig.Http(
            1, url(), batch, 2, timeout, attempts, failuresToBreak, 60, 1, Optional.empty()),
        Optional.of("secret"),
        Duration.ofMillis(1));
  }

  private static HttpScorer at(String url, Optional<String> token) {
    return new HttpScorer(
        "grpo.rewards.judge",
        new RewardConfig.Http(1, url, 0, 2, 1, 1, 1, 1, 1, token.map(value -> "JUDGE")),
        token,
        Duration.ofMillis(1));
  }

  @Test
  void batches_areAskedAndAnsweredInOrder_byTheProtocol() throws IOException {
    answering =
        (exchange, request) -> {
          assertThat(exchange.getProtocol()).isEqualTo("HTTP/1.1");
          assertThat(exchange.getRequestHeaders().getFirst("Authorization"))
              .isEqualTo("Bearer secret");
          assertThat(exchange.getRequestHeaders().containsKey("Upgrade")).isFalse();
          String body = bodies.peek();
          reply(
              exchange,
              200,
              body != null && body.contains("one")
                  ? "{\"scores\": [1, {\"score\": 0.5, \"parts\": {\"tone\": 2}}]}"
                  : "{\"scores\": [{\"unscored\": \"too long\"}, null]}");
        };
    HttpScorer scorer = scorer(0, 10, 1, 3);
    assertThat(Answers.scores(scorer, "one", "\u263a"))
        .containsExactly(Score.of(1), Score.of(0.5, Map.of("tone", 2.0)));
    JsonNode sample = new ObjectMapper().readTree(bodies.poll()).get("samples").get(1);
    assertThat(sample.toString())
        .isEqualTo(
            "{\"id\":\"p-1\",\"prompt\":\"ask\",\"response\":\"\u263a\",\"tokens\":2,"
                + "\"finish\":\"stop\",\"answer\":\"right\",\"metadata\":{}}");
    assertThat(Answers.scores(scorer, "two", "three"))
        .containsExactly(
            new Score.Unscored("the service could not score", "too long"),
            new Score.Unscored("the service gave no score", ""));
    scorer.close();
  }

  @Test
  void requests_areCutToBatches() {
    answering = (exchange, request) -> reply(exchange, 200, "{\"scores\": [1]}");
    HttpScorer scorer = scorer(1, 10, 1, 3);
    assertThat(Answers.scores(scorer, "a", "b", "c")).hasSize(3);
    assertThat(requests).hasValue(3);
  }

  @Test
  void statusOf500_isTriedAgain_andThenLeftOut() {
    answering =
        (exchange, request) ->
            reply(exchange, request < 3 ? 503 : 200, request < 3 ? "busy" : "{\"scores\": [2]}");
    assertThat(Answers.scores(scorer(0, 10, 3, 3), "a")).containsExactly(Score.of(2));
    answering = (exchange, request) -> reply(exchange, 500, "out of order");
    assertThat(Answers.scores(scorer(0, 10, 2, 3), "a", "b"))
        .containsOnly(
            new Score.Unscored(
                "the service did not answer",
                "2 attempts at " + url() + ", the last: status 500: out of order"));
    assertThat(requests).hasValue(5);
  }

  @Test
  void oneThatIsSlow_isLeft_inItsBodyAsWellAsBefore() {
    CountDownLatch over = new CountDownLatch(1);
    answering =
        (exchange, request) -> {
          if (request == 2) {
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write("{\"scores\"".getBytes(StandardCharsets.UTF_8));
            exchange.getResponseBody().flush();
          }
          try {
            over.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        };
    assertThat(Answers.scores(scorer(0, 0.2, 2, 3), "a"))
        .containsExactly(
            new Score.Unscored(
                "the service did not answer",
                "2 attempts at " + url() + ", the last: no reply within 0.2 s (timeout-seconds)"));
    over.countDown();
  }

  @Test
  void oneThatDies_isNotAskedForAWhile() {
    HttpScorer scorer = scorer(0, 5, 1, 2);
    server.stop(0);
    for (int i = 0; i < 2; i++) {
      assertThat(Scores.of(scorer, Answers.of("a")).toCompletableFuture().join().failures())
          .isEqualTo(Map.of("the service did not answer", 1));
    }
    assertThat(Answers.scores(scorer, "a"))
        .containsExactly(
            new Score.Unscored(
                "the service is down",
                "2 requests to " + url() + " failed in a row; none is made for 60 s"));
  }

  @Test
  void connectionCutInTheMiddle_isAFailure() {
    answering =
        (exchange, request) -> {
          exchange.sendResponseHeaders(200, 100);
          exchange.getResponseBody().write(new byte[10]);
          exchange.getResponseBody().flush();
          server.stop(0);
        };
    assertThat(
            Scores.of(scorer(0, 5, 1, 3), Answers.of("a")).toCompletableFuture().join().failures())
        .isEqualTo(Map.of("the service did not answer", 1));
  }

  @Test
  void nan_isNoScore() {
    answering =
        (exchange, request) ->
            reply(
                exchange, 200, "{\"scores\": [NaN, {\"score\": 1, \"parts\": {\"a\": Infinity}}]}");
    assertThat(Answers.scores(scorer(0, 5, 1, 3), "a", "b"))
        .containsExactly(
            new Score.Unscored("not a finite number", "NaN"),
            new Score.Unscored("not a finite number", "a is Infinity"));
  }

  @Test
  void whatIsAgainstTheProtocol_endsTheRunByName() {
    Map<String, String> replies =
        Map.of(
            "{\"scores\": [1]}",
            "grpo.rewards.judge (" + url() + ") gave 1 scores for 2 answers",
            "{\"scores\": [1, 2, 3]}",
            "grpo.rewards.judge (" + url() + ") gave 3 scores for 2 answers",
            "<html>",
            "grpo.rewards.judge: " + url() + " answered with no JSON, expected {\"scores\":",
            "{\"rewards\": [1, 2]}",
            "answered with no list \"scores\"",
            "{\"scores\": [1, \"two\"]}",
            "answered with a score that is neither a number",
            "{\"scores\": [1, {\"score\": 1, \"parts\": {\"a\": \"b\"}}]}",
            "a part \"a\" that is no number",
            " ".repeat((1 << 20) + 1),
            "the reply is longer than 1 MiB (max-megabytes)");
    replies.forEach(
        (reply, message) -> {
          answering = (exchange, request) -> reply(exchange, 200, reply);
          assertThatThrownBy(() -> Answers.scores(scorer(0, 5, 3, 3), "a", "b"))
              .hasCauseInstanceOf(ScorerException.class)
              .hasMessageContaining(message);
        });
    assertThat(requests).as("none is asked again").hasValue(replies.size());
    answering = (exchange, request) -> reply(exchange, 422, "no such field");
    assertThatThrownBy(() -> Answers.scores(scorer(0, 5, 3, 3), "a"))
        .hasMessageContaining(
            "grpo.rewards.judge: "
                + url()
                + " answered status 422: no such field, expected status 200");
  }

  @Test
  void tokenThatIsNotThere_isAnError() {
    RewardConfig.Http config =
        new RewardConfig.Http(
            1, url(), 0, 1, 1, 1, 1, 1, 1, Optional.of("TROUPE_NO_SUCH_VARIABLE"));
    assertThatThrownBy(() -> new OutsideScorers(List.of()).make("g", config))
        .hasMessage(
            "g.token-variable is TROUPE_NO_SUCH_VARIABLE, and the environment has no such variable;"
                + " set it, or take the key out");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "http://my_judge:8080/score | in which my_judge:8080 is no host's name: expected letters",
        "https://bücher.example/    | in which bücher.example is no host's name",
        "http://judge..example/     | is no host's name",
        "http://judge:99999/        | with port 99999, allowed: 1 to 65535",
        "http://judge:0/            | with port 0, allowed: 1 to 65535",
        "http://judge:port/         | in which judge:port is no host's name",
        "http://me:word@judge/      | has a user's name before the host",
        "http://judge/#top          | behind #",
        "http://judge/a b           | is no address: Illegal character in path",
        "http://[::1/               | is no address: ",
        "http://judge/%zz           | is no address: ",
      })
  void addressThatCannotBeAsked_isAnError_beforeTheRun(String url, String message) {
    assertThatThrownBy(() -> at(url, Optional.empty()))
        .isInstanceOf(ScorerException.class)
        .hasMessageStartingWith("grpo.rewards.judge.url ")
        .hasMessageContaining(message)
        .hasMessageNotContaining("word");
  }

  @ParameterizedTest
  @CsvSource({
    "http://judge.example/, false",
    "http://10.0.0.7:80/, false",
    "http://[fe80::1]/, false",
    "http://localhost.example/, false",
    "http://127.0.0.1.example/, false",
    "http://JUDGE/, false",
    "https://judge.example/, true",
    "http://localhost:1/, true",
    "http://LOCALHOST/, true",
    "http://judge.localhost/, true",
    "http://127.4.5.6/, true",
    "http://[::1]:80/, true",
  })
  void token_isNotSentInTheClear_butToThisMachine(String url, boolean sent) {
    at(url, Optional.empty()).close();
    if (sent) {
      at(url, Optional.of("secret")).close();
      return;
    }
    assertThatThrownBy(() -> at(url, Optional.of("secret")))
        .isInstanceOf(ScorerException.class)
        .hasMessageStartingWith("grpo.rewards.judge.token-variable: the token would go to ")
        .hasMessageContaining("give url as https://")
        .hasMessageNotContaining("secret");
  }

  @Test
  void token_withALineBreak_isAnErrorThatDoesNotTellIt() {
    assertThatThrownBy(() -> at("https://judge/", Optional.of("secret\nHost: other")))
        .isInstanceOf(ScorerException.class)
        .hasMessageStartingWith("grpo.rewards.judge.token-variable: the variable's value is no")
        .hasMessageNotContaining("secret")
        .hasNoCause();
  }

  @Test
  void breaker_letsOneThrough_whenThePauseIsOver() {
    AtomicLong time = new AtomicLong();
    CircuitBreaker breaker = new CircuitBreaker(2, Duration.ofNanos(100), time::get);
    breaker.failed();
    assertThat(breaker.passes()).isTrue();
    breaker.failed();
    assertThat(breaker.passes()).isFalse();
    time.set(99);
    assertThat(breaker.passes()).isFalse();
    time.set(100);
    assertThat(breaker.passes()).isTrue();
    assertThat(breaker.passes()).as("a second one").isFalse();
    breaker.succeeded();
    assertThat(breaker.passes()).isTrue();
    assertThat(breaker.passes()).isTrue();
  }
}
