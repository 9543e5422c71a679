package dev.troupe.rewards.environment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.Arrays;
import java.util.Queue;
import java.util.StringJoiner;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Speaks OpenEnv 0.10's wire as it was captured. What a step says decides what happens; the session
 * of a connection takes steps one after another.
 */
final class OpenEnvStandIn implements AutoCloseable {
  private static final JsonMapper JSON = new JsonMapper();
  static final String SCHEMA =
      "{\"action\":{\"properties\":{\"metadata\":{},\"message\":{\"type\":\"string\"}}},"
          + "\"observation\":{\"properties\":{\"metadata\":{},\"echoed\":{\"type\":\"string\"}}}}";

  private final SocketStandIn server;
  private final int most;
  private final Queue<String> received = new ConcurrentLinkedQueue<>();
  private final AtomicInteger sessions = new AtomicInteger();

  /** What resets are answered with; empty for what a reset gets. */
  private volatile String resetAnswer = "";

  /**
   * @param most sessions at a time
   */
  OpenEnvStandIn(int most) throws IOException {
    this.most = most;
    server = new SocketStandIn(this::begin);
    server.route("/health", 200, "{\"status\":\"healthy\"}");
    server.route("/schema", 200, SCHEMA);
  }

  SocketStandIn server() {
    return server;
  }

  String url() {
    return server.url();
  }

  /** Messages so far. */
  Queue<String> received() {
    return received;
  }

  void resetsAnswer(String text) {
    resetAnswer = text;
  }

  static String error(String code, String more) {
    return "{\"type\":\"error\",\"data\":{\"message\":\"said\",\"code\":\""
        + code
        + "\""
        + more
        + "}}";
  }

  static String observation(String seen, String reward, boolean done) {
    return "{\"type\":\"observation\",\"data\":{\"observation\":"
        + seen
        + ",\"reward\":"
        + reward
        + ",\"done\":"
        + done
        + "}}";
  }

  private SocketStandIn.Session begin(SocketStandIn.Connection connection) throws IOException {
    if (sessions.incrementAndGet() > most) {
      int active = sessions.decrementAndGet();
      connection.text(
          error(
              "CAPACITY_REACHED", ",\"active_sessions\":" + active + ",\"max_sessions\":" + most));
      connection.close(1000);
      return (other, text) -> {};
    }
    AtomicInteger steps = new AtomicInteger();
    return (other, text) -> {
      received.add(text);
      JsonNode message = JSON.readTree(text);
      switch (message.path("type").asText()) {
        case "reset" ->
            connection.text(
                resetAnswer.isEmpty()
                    ? observation("{\"metadata\":{},\"echoed\":\"ready\"}", "0.0", false)
                    : resetAnswer);
        case "close" -> {
          sessions.decrementAndGet();
          connection.close(1000);
        }
        default -> step(connection, message.path("data"), steps.incrementAndGet());
      }
    };
  }

  private static void step(SocketStandIn.Connection connection, JsonNode action, int step)
      throws IOException {
    if (action.path("type").asText().equals("list_tools")) {
      connection.text(
          observation(
              "{\"tools\":[{\"name\":\"add\",\"description\":\"Adds.\",\"input_schema\":{\"type\":"
                  + "\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":"
                  + "\"integer\"}},\"required\":[\"a\",\"b\"]}},{\"name\":\"fail\",\"description\":\"\"}]}",
              "null",
              false));
      return;
    }
    if (action.path("type").asText().equals("call_tool")) {
      call(connection, action);
      return;
    }
    if (!action.has("message")) {
      connection.text(
          error(
              "VALIDATION_ERROR",
              ",\"errors\":[{\"type\":\"missing\",\"loc\":[\"message\"],\"msg\":\"Field"
                  + " required\"}]"));
      return;
    }
    String said = action.get("message").asText();
    String echo = "{\"metadata\":{\"step\":" + step + "},\"echoed\":" + action.get("message") + "}";
    String word = said.substring(said.indexOf(' ') + 1);
    switch (said.split(" ", 2)[0]) {
      case "hang" -> {}
      case "error" -> connection.text(error(word, ""));
      case "refuse" -> connection.text(refusal(word.split(" ")));
      case "last" -> connection.text(observation("{\"board\":[]}", "1.0", true));
      case "reward" -> connection.text(observation(echo, word, false));
      case "done" -> connection.text(observation(echo, "1.0", true));
      case "twice" -> {
        connection.text(observation(echo, "1.0", false));
        connection.text(observation(echo, "2.0", false));
        connection.text("{}");
      }
      case "big" -> connection.text(observation("\"" + "x".repeat(1 << 20) + "\"", "1.0", false));
      case "bytes" -> connection.frame(SocketStandIn.BINARY, new byte[3]);
      case "garbage" -> connection.text("{not JSON");
      case "unknown" -> connection.text("{\"type\":\"state\",\"data\":{}}");
      case "closes" -> connection.close(1009);
      default -> connection.text(observation(echo, "0.5", false));
    }
  }

  /** Of a type, at a place. */
  private static String refusal(String[] typeAndPlace) {
    StringJoiner place = new StringJoiner("\",\"", "[\"", "\"]");
    Arrays.stream(typeAndPlace).skip(1).forEach(place::add);
    return error(
        "VALIDATION_ERROR",
        ",\"errors\":[{\"type\":\""
            + typeAndPlace[0]
            + "\",\"loc\":"
            + place
            + ",\"msg\":\"no good\"}]");
  }

  private static void call(SocketStandIn.Connection connection, JsonNode action)
      throws IOException {
    if (action.get("tool_name").asText().equals("add")) {
      int sum = action.get("arguments").get("a").asInt() + action.get("arguments").get("b").asInt();
      connection.text(
          observation(
              "{\"tool_name\":\"add\",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\""
                  + sum
                  + "\"}],\"structured_content\":{\"result\":"
                  + sum
                  + "},\"data\":"
                  + sum
                  + ",\"is_error\":false},\"error\":null}",
              "null",
              false));
    } else {
      connection.text(
          observation(
              "{\"tool_name\":\"fail\",\"result\":null,\"error\":{\"error_type\":"
                  + "\"execution_error\",\"message\":\"boom!\"}}",
              "null",
              false));
    }
  }

  @Override
  public void close() throws IOException {
    server.close();
  }
}
