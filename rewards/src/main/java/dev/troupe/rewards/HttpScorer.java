package dev.troupe.rewards;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.port.Score;
import dev.troupe.rlhf.port.Scorer;
import dev.troupe.rlhf.port.ScorerException;
import dev.troupe.rlhf.reward.RewardConfig;
import dev.troupe.rlhf.reward.Scores;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A service that scores by HTTP (docs/rewards.md has the protocol). What it cannot be asked is
 * tried again a few times, then its samples are left out; what it says against the protocol ends
 * the run.
 */
final class HttpScorer implements Scorer {
  static final String FAILED = "the service did not answer";
  static final String DOWN = "the service is down";

  private static final int TOO_MANY_REQUESTS = 429;
  private static final int REQUEST_TIMEOUT = 408;
  private static final int EXCERPT = 200;
  private static final Duration LONGEST_WAIT = Duration.ofSeconds(20);
  private static final JsonMapper JSON =
      JsonMapper.builder().enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS).build();

  private final String name;
  private final RewardConfig.Http config;
  private final HttpRequest.Builder request;
  private final Duration firstWait;
  private final CircuitBreaker breaker;
  private final ExecutorService threads;

  // Some servers drop the body of a request that asks to speak HTTP/2.
  private final HttpClient client =
      HttpClient.newBuilder()
          .version(HttpClient.Version.HTTP_1_1)
          .followRedirects(HttpClient.Redirect.NEVER)
          .connectTimeout(Duration.ofSeconds(10))
          .build();

  /**
   * @param firstWait before the second attempt; it doubles with each one
   * @throws ScorerException when its requests cannot be made
   */
  HttpScorer(String name, RewardConfig.Http config, Optional<String> token, Duration firstWait) {
    this.name = name;
    this.config = config;
    request = Requests.of(name, config, token);
    this.firstWait = firstWait;
    breaker =
        new CircuitBreaker(
            config.failuresToBreak(),
            OutsideScorers.duration(config.breakSeconds()),
            System::nanoTime);
    threads = Executors.newFixedThreadPool(config.requests(), task -> Threads.daemon(task, name));
  }

  /**
   * As configured.
   *
   * @throws ScorerException when the environment has not the token, or requests cannot be made
   */
  static HttpScorer of(String name, RewardConfig.Http config) {
    Optional<String> token = config.tokenVariable().map(System::getenv);
    if (config.tokenVariable().isPresent() && token.filter(value -> !value.isBlank()).isEmpty()) {
      throw new ScorerException(
          name
              + ".token-variable is "
              + config.tokenVariable().get()
              + ", and the environment has no such variable; set it, or take the key out");
    }
    return new HttpScorer(name, config, token, Duration.ofMillis(500));
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public CompletionStage<List<Score>> score(List<Rollout> rollouts) {
    return Batches.each(
        rollouts, config.batch(), part -> CompletableFuture.supplyAsync(() -> ask(part), threads));
  }

  @Override
  public boolean scoresEachAlone() {
    return config.batch() > 0;
  }

  private List<Score> ask(List<Rollout> rollouts) {
    if (!breaker.passes()) {
      return failed(
          rollouts.size(),
          DOWN,
          config.failuresToBreak()
              + " requests to "
              + config.url()
              + " failed in a row; none is made for "
              + Threads.seconds(OutsideScorers.duration(config.breakSeconds())));
    }
    byte[] body = body(rollouts);
    String why = "";
    for (int attempt = 1; attempt <= config.attempts(); attempt++) {
      try {
        HttpResponse<byte[]> response = send(body);
        int status = response.statusCode();
        if (status == 200) {
          breaker.succeeded();
          return scores(response.body(), rollouts.size());
        }
        why = "status " + status + excerpt(response.body());
        if (status < 500 && status != TOO_MANY_REQUESTS && status != REQUEST_TIMEOUT) {
          throw new ScorerException(
              name + ": " + config.url() + " answered " + why + ", expected status 200");
        }
      } catch (BoundedBody.TooLong e) {
        throw new ScorerException(name + ": " + config.url() + ": " + e.getMessage(), e);
      } catch (IOException e) {
        why = e.toString();
      } catch (TimeoutException e) {
        why = "no reply within " + config.timeoutSeconds() + " s (timeout-seconds)";
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return failed(rollouts.size(), FAILED, "the run was stopped");
      }
      if (attempt < config.attempts() && !waited(attempt)) {
        return failed(rollouts.size(), FAILED, "the run was stopped");
      }
    }
    breaker.failed();
    return failed(
        rollouts.size(),
        FAILED,
        config.attempts() + " attempts at " + config.url() + ", the last: " + why);
  }

  /** Waits before the next attempt; false when interrupted. */
  private boolean waited(int attempt) {
    long wait = firstWait.toMillis() << Math.min(attempt - 1, 16);
    try {
      TimeUnit.MILLISECONDS.sleep(Math.min(wait, LONGEST_WAIT.toMillis()));
      return true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private HttpResponse<byte[]> send(byte[] body)
      throws IOException, TimeoutException, InterruptedException {
    HttpRequest asking = request.copy().POST(HttpRequest.BodyPublishers.ofByteArray(body)).build();
    CompletableFuture<HttpResponse<byte[]>> reply =
        client.sendAsync(asking, info -> new BoundedBody(config.maxMegabytes() << 20));
    try {
      // Of the whole reply: the client's own time-out ends with its headers.
      return reply.get((long) (config.timeoutSeconds() * 1e9), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof IOException io) {
        throw io;
      }
      throw new IOException(e.getCause());
    } finally {
      reply.cancel(true);
    }
  }

  private byte[] body(List<Rollout> rollouts) {
    List<Map<String, @Nullable Object>> samples = new ArrayList<>();
    for (Rollout rollout : rollouts) {
      Map<String, @Nullable Object> sample = new LinkedHashMap<>();
      sample.put("id", rollout.prompt().id());
      sample.put("prompt", rollout.prompt().text());
      sample.put("response", rollout.text());
      sample.put("tokens", rollout.length());
      rollout.episode().ifPresent(episode -> sample.put("transcript", episode.transcript()));
      sample.put("finish", rollout.finish().name().toLowerCase(Locale.ROOT));
      sample.put("answer", rollout.prompt().answer().orElse(null));
      sample.put("metadata", rollout.prompt().metadata());
      samples.add(sample);
    }
    try {
      return JSON.writeValueAsBytes(Map.of("samples", samples));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("samples that are no JSON", e);
    }
  }

  private List<Score> scores(byte[] body, int expected) {
    JsonNode list;
    try {
      JsonNode tree = JSON.readTree(body);
      list = tree == null ? null : tree.get("scores");
    } catch (IOException e) {
      throw against("no JSON", body);
    }
    if (list == null || !list.isArray()) {
      throw against("no list \"scores\"", body);
    }
    List<Score> scores = new ArrayList<>();
    for (JsonNode score : list) {
      scores.add(score(score, body));
    }
    return Scores.checked(name + " (" + config.url() + ")", scores, expected);
  }

  private Score score(JsonNode node, byte[] body) {
    if (node.isNumber()) {
      return Score.of(node.doubleValue());
    }
    if (node.isNull()) {
      return Score.unscored("the service gave no score");
    }
    if (node.path("unscored").isTextual()) {
      return new Score.Unscored("the service could not score", node.get("unscored").textValue());
    }
    if (node.path("score").isNumber()) {
      Map<String, Double> parts = new TreeMap<>();
      for (Map.Entry<String, JsonNode> part : node.path("parts").properties()) {
        if (!part.getValue().isNumber()) {
          throw against("a part \"" + part.getKey() + "\" that is no number", body);
        }
        parts.put(part.getKey(), part.getValue().doubleValue());
      }
      return Score.of(node.get("score").doubleValue(), parts);
    }
    throw against("a score that is neither a number, null, {score, parts} nor {unscored}", body);
  }

  private ScorerException against(String found, byte[] body) {
    return new ScorerException(
        name
            + ": "
            + config.url()
            + " answered with "
            + found
            + ", expected {\"scores\": [number, …]}, one per sample"
            + excerpt(body));
  }

  private static String excerpt(byte[] body) {
    String text = new String(body, StandardCharsets.UTF_8).strip().replaceAll("\\s+", " ");
    return text.isEmpty()
        ? ""
        : ": " + (text.length() <= EXCERPT ? text : text.substring(0, EXCERPT) + "…");
  }

  private static List<Score> failed(int count, String reason, String detail) {
    return Collections.nCopies(count, new Score.Unscored(reason, detail));
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
