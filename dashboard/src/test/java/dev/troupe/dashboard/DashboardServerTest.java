package dev.troupe.dashboard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class DashboardServerTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path directory;
  private final HttpClient client = HttpClient.newHttpClient();
  private SampleRun run;
  private DashboardServer server;

  @BeforeEach
  void start() {
    run = new SampleRun(directory, Instant.parse("2026-01-01T12:00:00Z"));
    run.writeUntilPpoStep(7);
    server = DashboardServer.start(directory, DashboardServer.DEFAULT_HOST, 0);
  }

  @AfterEach
  void stop() {
    server.close();
    run.close();
  }

  private HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return client.send(
        HttpRequest.newBuilder(server.url().resolve(path)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  /** The view of at least that many events. */
  private JsonNode run(String query, long sequence) throws IOException, InterruptedException {
    long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
    while (true) {
      JsonNode json = JSON.readTree(get("/api/run" + query).body());
      if (json.get("sequence").asLong() >= sequence) {
        return json;
      }
      assertThat(System.nanoTime()).as("the event file is followed").isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  /** Each has sent the half of a request, and will send no more. */
  @Test
  void manyHalfOpenConnections_doNotStarveThePage() throws Exception {
    List<Socket> halves = new ArrayList<>();
    try {
      for (int i = 0; i < Connections.MOST + 100; i++) {
        halves.add(half(server));
      }
      for (String path : List.of("/", "/static/app.js", "/api/run")) {
        HttpResponse<String> response =
            client.send(
                HttpRequest.newBuilder(server.url().resolve(path))
                    .timeout(Duration.ofSeconds(20))
                    .build(),
                HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).as(path).isEqualTo(200);
      }
      // The first to come has given its place to a later one.
      assertThat(closed(halves.get(0))).isTrue();
    } finally {
      for (Socket half : halves) {
        half.close();
      }
    }
  }

  @Test
  void aConnectionWithoutAWholeRequest_isClosedInTime() throws Exception {
    try (DashboardServer impatient =
            DashboardServer.start(
                directory, DashboardServer.DEFAULT_HOST, 0, Duration.ofMillis(300));
        Socket half = half(impatient)) {
      assertThat(closed(half)).isTrue();
    }
  }

  private static Socket half(DashboardServer server) throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port());
    socket.getOutputStream().write("GET / HTTP/1.1\r\nHost: loc".getBytes(StandardCharsets.UTF_8));
    return socket;
  }

  /** Whether the other side ends it within 20 s, whatever it says before. */
  private static boolean closed(Socket socket) throws IOException {
    socket.setSoTimeout(20_000);
    try {
      while (socket.getInputStream().read() >= 0) {
        // An answer to half a request.
      }
      return true;
    } catch (SocketTimeoutException e) {
      return false;
    } catch (SocketException e) {
      return true;
    }
  }

  @Test
  void run_isTheViewWithTheCurrentStagesSeries() throws IOException, InterruptedException {
    JsonNode json = run("", 5 + SampleRun.SFT_STEPS + SampleRun.REWARD_STEPS + 7 * 5);
    assertThat(json.get("run").asText()).isEqualTo("quickstart");
    assertThat(json.get("state").asText()).isEqualTo("running");
    assertThat(json.at("/series/stage").asText()).isEqualTo("ppo");
    assertThat(json.at("/series/metrics/score/steps")).hasSize(7);
    assertThat(json.at("/series/metrics/score/values")).hasSize(7);
    assertThat(json.at("/stages/0/results/ruleSatisfied").asDouble()).isEqualTo(0.52);
    assertThat(json.get("rollouts")).hasSize(14);

    JsonNode sft = run("?stage=sft", 1);
    assertThat(sft.at("/series/stage").asText()).isEqualTo("sft");
    assertThat(sft.at("/series/metrics/loss/steps")).hasSize(SampleRun.SFT_STEPS);
  }

  @Test
  void rollout_hasItsTokensAccount() throws IOException, InterruptedException {
    JsonNode listed = run("", 170).at("/rollouts/0");
    JsonNode rollout = JSON.readTree(get("/api/rollouts/" + listed.get("id").asLong()).body());
    int tokens = listed.get("tokenCount").asInt();
    assertThat(tokens).isPositive();
    for (String column :
        new String[] {"tokens", "logprobs", "refLogprobs", "values", "rewards", "advantages"}) {
      assertThat(rollout.get(column)).as(column).hasSize(tokens);
    }
    assertThat(get("/api/rollouts/1").statusCode()).isEqualTo(404);
    assertThat(get("/api/rollouts/x").statusCode()).isEqualTo(400);
  }

  @Test
  void events_tellOfNewsAsTheyCome() throws IOException, InterruptedException {
    long seen = run("", 170).get("sequence").asLong();
    HttpURLConnection connection =
        (HttpURLConnection)
            server.url().resolve("/api/events?after=" + seen).toURL().openConnection();
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8))) {
      assertThat(connection.getContentType()).startsWith("text/event-stream");
      assertThat(lines.readLine()).isEqualTo("retry: 1000");
      run.ppo(8);
      assertThat(lines.readLine()).isEmpty();
      assertThat(lines.readLine()).matches("id: \\d+");
      assertThat(lines.readLine()).matches("data: \\{\"sequence\":\\d+}");
    } finally {
      connection.disconnect();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/",
        "/static/app.js",
        "/static/charts.js",
        "/static/dom.js",
        "/static/format.js",
        "/static/rollout.js",
        "/static/summary.js",
        "/static/style.css",
        "/static/chart.js",
        "/favicon.svg",
        "/healthz",
        "/metrics",
        "/api/run",
        "/api/configuration"
      })
  void everyAnswer_isThereAndForbidsForeignContent(String path)
      throws IOException, InterruptedException {
    HttpResponse<String> response = get(path);
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.headers().firstValue("Content-Security-Policy").orElseThrow())
        .contains("default-src 'none'; script-src 'self'")
        .doesNotContain("unsafe");
    assertThat(response.headers().firstValue("X-Content-Type-Options")).contains("nosniff");
    assertThat(response.headers().firstValue("Cross-Origin-Resource-Policy"))
        .contains("same-origin");
    assertThat(response.headers().firstValue("Access-Control-Allow-Origin")).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"/nothing", "/static/../index.html", "/static/%2e%2e/x", "/api/rollouts"})
  void anythingElse_isNotFound(String path) throws IOException, InterruptedException {
    assertThat(get(path).statusCode()).isEqualTo(404);
  }

  @Test
  void writing_isRefused() throws IOException, InterruptedException {
    HttpResponse<String> response =
        client.send(
            HttpRequest.newBuilder(server.url().resolve("/api/run"))
                .POST(HttpRequest.BodyPublishers.ofString("{}"))
                .build(),
            HttpResponse.BodyHandlers.ofString());
    assertThat(response.statusCode()).isEqualTo(405);
  }

  @Test
  void foreignHostName_isRefused() throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
      OutputStream output = socket.getOutputStream();
      output.write(
          "GET /api/run HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
              .getBytes(StandardCharsets.US_ASCII));
      output.flush();
      InputStream input = socket.getInputStream();
      assertThat(new String(input.readAllBytes(), StandardCharsets.UTF_8))
          .startsWith("HTTP/1.1 403");
    }
  }

  @Test
  void start_portInUse_saysWhichAndWhatToSet() throws IOException {
    try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThatThrownBy(() -> DashboardServer.start(directory, "127.0.0.1", taken.getLocalPort()))
          .isInstanceOf(DashboardException.class)
          .hasMessageContaining("cannot listen on 127.0.0.1:" + taken.getLocalPort())
          .hasMessageContaining("Address already in use")
          .hasMessageContaining("Take another port, or 0 for any free one (dashboard.port of");
    }
  }

  @Test
  void start_noSuchDirectory_namesIt() {
    Path missing = directory.resolve("missing");
    assertThatThrownBy(() -> DashboardServer.start(missing, "127.0.0.1", 0))
        .isInstanceOf(DashboardException.class)
        .hasMessageContaining("no run directory at " + missing);
  }

  @Test
  void url_isTheLoopbackAddress() {
    assertThat(server.url()).isEqualTo(URI.create("http://127.0.0.1:" + server.port() + "/"));
  }
}
