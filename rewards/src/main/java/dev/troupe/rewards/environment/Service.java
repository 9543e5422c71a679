package dev.troupe.rewards.environment;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.troupe.rewards.BoundedBody;
import dev.troupe.rlhf.port.EnvironmentException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A server that is asked by HTTP, and what every request to it shares. */
final class Service {
  static final JsonMapper JSON = new JsonMapper();

  /** Kinds of failure that a run counts. */
  static final String UNREACHABLE = "the environment did not answer";

  static final String TOO_LONG = "the environment took too long";
  static final String REFUSED = "the environment refused";
  static final String FAILED = "the environment failed";
  static final String BAD_REPLY = "the environment's answer cannot be read";

  private static final int EXCERPT = 300;
  private static final int RAISED = 500;
  private static final int TOO_MANY_REQUESTS = 429;
  private static final int REQUEST_TIMEOUT = 408;

  /** With those, no token or the wrong one: of the service, and of a proxy. */
  private static final Set<Integer> NOT_OF_THE_CALL =
      Set.of(401, 403, 407, REQUEST_TIMEOUT, TOO_MANY_REQUESTS);

  private static final Duration FIRST_WAIT = Duration.ofMillis(250);
  private static final Duration LONGEST_WAIT = Duration.ofSeconds(20);

  private final String name;
  private final URI base;
  private final @Nullable String token;
  private final Duration connect;
  private final Duration timeout;
  private final int most;
  private final HttpClient client;

  private Service(
      String name, URI base, @Nullable String token, Duration connect, Duration timeout, int most) {
    this.name = name;
    this.base = base;
    this.token = token;
    this.connect = connect;
    this.timeout = timeout;
    this.most = most;
    // Some servers drop the body of a request that asks to speak HTTP/2.
    client =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(connect)
            .build();
  }

  /**
   * As configured.
   *
   * @param name the section's key, for errors
   * @throws EnvironmentException when the address or the token cannot be used
   */
  static Service of(
      String name,
      String url,
      double connectSeconds,
      double timeoutSeconds,
      int maxMegabytes,
      Optional<String> tokenVariable,
      UnaryOperator<@Nullable String> variables) {
    URI base;
    try {
      base = URI.create(url.endsWith("/") ? url.substring(0, url.length() - 1) : url);
    } catch (IllegalArgumentException e) {
      throw new EnvironmentException(name + ".url is no address: " + e.getMessage(), e);
    }
    if (base.getHost() == null) {
      throw new EnvironmentException(name + ".url is \"" + url + "\", which names no host");
    }
    String token = null;
    if (tokenVariable.isPresent()) {
      token = variables.apply(tokenVariable.get());
      if (token == null || token.isBlank()) {
        throw new EnvironmentException(
            name
                + ".token-variable is "
                + tokenVariable.get()
                + ", and the environment has no such variable; set it, or take the key out");
      }
      if (base.getScheme().equals("http") && !isHere(base.getHost())) {
        throw new EnvironmentException(
            name
                + ".url is "
                + url
                + ": a token is not sent over a connection that anyone on the way can read; use"
                + " https://, or take token-variable out");
      }
    }
    return new Service(
        name, base, token, duration(connectSeconds), duration(timeoutSeconds), maxMegabytes << 20);
  }

  private static boolean isHere(String host) {
    return host.equalsIgnoreCase("localhost")
        || host.equals("[::1]")
        || host.matches("127(\\.\\d{1,3}){3}");
  }

  static Duration duration(double seconds) {
    return Duration.ofNanos((long) (seconds * 1e9));
  }

  String name() {
    return name;
  }

  Duration timeout() {
    return timeout;
  }

  Duration connect() {
    return connect;
  }

  /** Bytes of a message. */
  int most() {
    return most;
  }

  Optional<String> token() {
    return Optional.ofNullable(token);
  }

  HttpClient client() {
    return client;
  }

  URI uri(String route) {
    return URI.create(base + route);
  }

  /** Of a WebSocket. */
  URI socket(String route) {
    return URI.create("ws" + uri(route).toString().substring("http".length()));
  }

  /** For messages. */
  String where(String route) {
    return name + ": " + uri(route);
  }

  /** In words. */
  String limit() {
    return seconds(timeout) + " (timeout-seconds)";
  }

  static String seconds(Duration time) {
    double seconds = time.toNanos() / 1e9;
    return (seconds == Math.rint(seconds)
            ? Long.toString((long) seconds)
            : String.format(Locale.ROOT, "%s", seconds))
        + " s";
  }

  /** What a server answered. */
  record Answer(int status, byte[] body, HttpHeaders headers) {
    String text() {
      return new String(body, StandardCharsets.UTF_8);
    }

    boolean ok() {
      return status / 100 == 2;
    }

    /** Whether it may be otherwise if it is asked again. */
    boolean passing() {
      return status >= 500 || status == TOO_MANY_REQUESTS || status == REQUEST_TIMEOUT;
    }

    /**
     * Whether it speaks of what was asked for, its arguments or what came of it, and not of who
     * asks, how often, or what lies between.
     */
    boolean ofTheCall() {
      return ok() || (status / 100 == 4 && !NOT_OF_THE_CALL.contains(status)) || status == RAISED;
    }

    /** As JSON; empty where it is none. */
    Optional<JsonNode> json() {
      try {
        return Optional.ofNullable(JSON.readTree(body)).filter(tree -> !tree.isMissingNode());
      } catch (IOException e) {
        return Optional.empty();
      }
    }

    /** Status and the beginning of the body. */
    String inWords() {
      String excerpt = excerpt(text());
      return "status " + status + (excerpt.isEmpty() ? "" : ": " + excerpt);
    }
  }

  static String excerpt(String text) {
    String line = text.strip().replaceAll("\\s+", " ");
    return line.length() <= EXCERPT ? line : line.substring(0, EXCERPT) + "…";
  }

  Answer get(String route) throws IOException, InterruptedException {
    return send(HttpRequest.newBuilder(uri(route)).GET(), "", timeout);
  }

  /**
   * Posts JSON.
   *
   * @param cookies to send, empty for none
   */
  Answer post(String route, Object body, String cookies) throws IOException, InterruptedException {
    return post(route, body, cookies, timeout);
  }

  /**
   * Posts JSON.
   *
   * @param most time for the reply, where that is less than the service's
   */
  Answer post(String route, Object body, String cookies, Duration most)
      throws IOException, InterruptedException {
    byte[] bytes;
    try {
      bytes = JSON.writeValueAsBytes(body);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("a body that is no JSON", e);
    }
    return send(
        HttpRequest.newBuilder(uri(route))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(bytes)),
        cookies,
        most.compareTo(timeout) < 0 ? most : timeout);
  }

  private Answer send(HttpRequest.Builder request, String cookies, Duration limit)
      throws IOException, InterruptedException {
    request.header("Accept", "application/json");
    if (token != null) {
      request.header("Authorization", "Bearer " + token);
    }
    if (!cookies.isEmpty()) {
      request.header("Cookie", cookies);
    }
    CompletableFuture<HttpResponse<byte[]>> reply =
        client.sendAsync(request.build(), info -> new BoundedBody(most));
    try {
      // Of the whole reply: the client's own time-out ends with its headers.
      HttpResponse<byte[]> response = reply.get(limit.toNanos(), TimeUnit.NANOSECONDS);
      return new Answer(response.statusCode(), response.body(), response.headers());
    } catch (TimeoutException e) {
      throw new HttpTimeoutException("no reply within " + limit());
    } catch (ExecutionException e) {
      throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
    } finally {
      reply.cancel(true);
    }
  }

  /** A request. */
  interface Request {
    Answer send() throws IOException, InterruptedException;
  }

  /** Makes a request that may be made twice, again while its failure may pass. */
  static Answer tried(int attempts, Request request) throws IOException, InterruptedException {
    for (int attempt = 1; ; attempt++) {
      try {
        Answer answer = request.send();
        if (!answer.passing() || attempt == attempts) {
          return answer;
        }
      } catch (BoundedBody.TooLong e) {
        throw e;
      } catch (IOException e) {
        if (attempt == attempts) {
          throw e;
        }
      }
      rest(attempt);
    }
  }

  /** Waits before the next attempt: a quarter of a second at first, each time twice as long. */
  static void rest(int attempt) throws InterruptedException {
    long wait = FIRST_WAIT.toMillis() << Math.min(attempt - 1, 16);
    TimeUnit.MILLISECONDS.sleep(Math.min(wait, LONGEST_WAIT.toMillis()));
  }

  /** Why a request failed, for a person. */
  static String inWords(IOException failure) {
    return failure.getMessage() == null || failure.getMessage().isBlank()
        ? failure.getClass().getSimpleName()
        : failure.getMessage();
  }

  /**
   * Asks whether the server is there and healthy.
   *
   * @param what the server is, for errors
   * @throws EnvironmentException where it is not
   */
  void checkHealth(String what) {
    String route = "/health";
    Answer answer;
    try {
      answer = tried(3, () -> get(route));
    } catch (IOException e) {
      throw new EnvironmentException(
          where(route)
              + " did not answer: "
              + inWords(e)
              + ". "
              + what
              + " must be running at "
              + name
              + ".url before the run begins",
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EnvironmentException(where(route) + ": the run was stopped", e);
    }
    if (!answer.ok()) {
      throw new EnvironmentException(
          where(route)
              + " answered "
              + answer.inWords()
              + ", expected status 200 of "
              + what
              + (answer.status() == 401 || answer.status() == 403
                  ? "; is token-variable set and right?"
                  : ""));
    }
  }
}
