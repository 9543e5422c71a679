package dev.troupe.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code troupe data self-instruct} with a service on this machine, and what it leaves. */
class SelfInstructCommandTest {
  @TempDir Path directory;

  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private final AtomicInteger lists = new AtomicInteger();
  private HttpServer server;
  private int status = 200;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/v1/", this::answer);
    server.start();
    Files.writeString(
        directory.resolve("seeds.jsonl"),
        """
        {"instruction": "Say hello to a guest.", "instances": [{"input": "", "output": "Hello!"}], "is_classification": false}
        {"instruction": "Is this sentence a question?", "instances": [{"input": "Why?", "output": "Yes"}], "is_classification": true}
        """);
  }

  @AfterEach
  void stop() {
    server.stop(0);
  }

  private void answer(HttpExchange exchange) throws IOException {
    JsonNode asked = OutputJson.mapper().readTree(exchange.getRequestBody());
    boolean chat = exchange.getRequestURI().getPath().endsWith("/chat/completions");
    String prompt =
        chat
            ? asked.path("messages").path(0).path("content").asText()
            : asked.path("prompt").asText();
    String text;
    if (prompt.startsWith("Come up with")) {
      text =
          List.of(
                  " Name a river in Europe.\n4. Draw a map of the world.",
                  " Translate the word below into Latin.",
                  " Give the capital of a country.")
              .get(lists.getAndIncrement() % 3);
    } else if (prompt.startsWith("Can the following")) {
      text = " No";
    } else {
      text = "Output: an answer";
    }
    Object choice =
        chat
            ? Map.of("message", Map.of("content", text), "finish_reason", "stop")
            : Map.of("text", text, "finish_reason", "stop");
    byte[] body =
        status == 200
            ? OutputJson.mapper().writeValueAsBytes(Map.of("choices", List.of(choice)))
            : "no such model".getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
    exchange.close();
  }

  @Test
  void tasks_areWrittenInAlpacasFormat_andGoneOnWith() throws IOException {
    assertThat(instruct("--tasks", "1")).as(err.toString()).isEqualTo(0);
    assertThat(out.toString())
        .contains("1 tasks with 1 examples in " + directory.resolve("out"))
        .contains("left out 1 × an instruction about what a language model cannot see or make");
    assertThat(instruct("--tasks", "3")).as(err.toString()).isEqualTo(0);
    assertThat(err.toString())
        .contains("going on after 1 tasks, rounds: 1, examples: 1, left out: 1");
    assertThat(Files.readAllLines(directory.resolve("out/alpaca.jsonl")))
        .containsExactly(
            "{\"instruction\":\"Name a river in Europe.\",\"input\":\"\",\"output\":\"an answer\"}",
            "{\"instruction\":\"Translate the word below into Latin.\",\"input\":\"\",\"output\":\"an"
                + " answer\"}",
            "{\"instruction\":\"Give the capital of a country.\",\"input\":\"\",\"output\":\"an"
                + " answer\"}");
    assertThat(Files.readString(directory.resolve("out/counts.json")))
        .contains("\"rounds\" : 3", "\"tasks\" : 3", "\"KEYWORD\" : 1");
    assertThat(Files.readAllLines(directory.resolve("out/tasks.jsonl"))).hasSize(3);
  }

  @Test
  void whatIsWrong_isNamed() throws IOException {
    assertThat(instruct("--tasks", "0")).isEqualTo(2);
    assertThat(err.toString()).contains("--tasks is 0, allowed: at least 1");
    assertThat(instruct("--tasks", "1", "--chat")).isEqualTo(0);
    assertThat(instruct("--tasks", "2")).isEqualTo(2);
    assertThat(err.toString())
        .contains("was begun with other settings: chat true, and now chat false");
    assertThat(instruct("--tasks", "9", "--chat")).isEqualTo(2);
    assertThat(err.toString())
        .contains("20 rounds in a row brought no task that could be kept")
        .contains("What was written is in " + directory.resolve("out"));
    status = 404;
    assertThat(instruct("--tasks", "9", "--chat")).isEqualTo(2);
    assertThat(err.toString())
        .contains(
            "/v1/chat/completions did not answer as expected (status 200 with JSON), the last"
                + " time: status 404: no such model. What was written before is kept; start again to go"
                + " on.");
    Files.writeString(
        directory.resolve("seeds.jsonl"),
        Files.readAllLines(directory.resolve("seeds.jsonl")).get(0) + "\n");
    assertThat(instruct("--tasks", "1")).isEqualTo(2);
    assertThat(err.toString())
        .contains("has 1 tasks and none with is_classification true; both kinds are needed");
  }

  private int instruct(String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "data",
                "self-instruct",
                "--endpoint",
                "http://localhost:" + server.getAddress().getPort() + "/v1",
                "--endpoint-model",
                "some",
                "--seeds",
                directory.resolve("seeds.jsonl").toString(),
                "--output",
                directory.resolve("out").toString()));
    arguments.addAll(List.of(more));
    return Troupe.execute(
        new PrintWriter(out, true), new PrintWriter(err, true), arguments.toArray(String[]::new));
  }
}
