package dev.troupe.rewards.environment;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EpisodeException;
import java.io.IOException;
import java.net.HttpCookie;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One episode at a resources server: seeded with the prompt's row, its tools called, verified in
 * the end. The server knows the session by a cookie, which it signs anew with every reply.
 */
final class NemoGymEpisode implements Environment {
  private static final String PARAMETERS = "responses_create_params";
  private static final String MASKED = "the verifier failed";

  /** How long a server is given to close a session that is over. */
  private static final Duration CLOSE = Duration.ofSeconds(5);

  private final int attempts;
  private final Service service;
  private final List<Map<String, @Nullable Object>> tools;
  private final Task task;
  private final Map<String, String> cookies = new TreeMap<>();
  private final List<Map<String, @Nullable Object>> output = new ArrayList<>();
  private boolean seeded;

  NemoGymEpisode(
      int attempts, Service service, List<Map<String, @Nullable Object>> tools, Task task) {
    this.attempts = attempts;
    this.service = service;
    this.tools = tools;
    this.task = task;
  }

  @Override
  public Observation reset() throws EpisodeException, InterruptedException {
    Service.Answer answer = posted("/seed_session", row(), attempts);
    if (!answer.ok()) {
      throw refused("/seed_session", answer);
    }
    seeded = true;
    return Observation.none();
  }

  @Override
  public Observation step(Action action) throws EpisodeException, InterruptedException {
    say(action.text());
    if (action.calls().isEmpty()) {
      return verified();
    }
    List<ChatMessage> messages = new ArrayList<>();
    int failed = 0;
    for (ToolCall call : action.calls()) {
      String id = call.id().isEmpty() ? "call_" + output.size() : call.id();
      output.add(
          item(
              "type",
              "function_call",
              "call_id",
              id,
              "name",
              call.name(),
              "arguments",
              Service.JSON.valueToTree(call.arguments()).toString(),
              "status",
              "completed"));
      Service.Answer answer = posted("/" + call.name(), call.arguments(), 1);
      if (!answer.ofTheCall()) {
        throw refused("/" + call.name(), answer);
      }
      // What a tool refuses is for the policy to read, as it comes.
      failed += answer.ok() ? 0 : 1;
      output.add(item("type", "function_call_output", "call_id", id, "output", answer.text()));
      messages.add(CheckedTools.answer(call, answer.text()));
    }
    return new Observation(messages, OptionalDouble.empty(), false, Map.of(), failed);
  }

  @Override
  public Observation cut(String unfinished) throws EpisodeException, InterruptedException {
    say(unfinished);
    return verified();
  }

  /** Lets the server forget the session; one that has no such route, or is gone, does so itself. */
  @Override
  public void close() {
    if (!seeded) {
      return;
    }
    seeded = false;
    // After a call that was given up the thread is interrupted still.
    boolean interrupted = Thread.interrupted();
    try {
      service.post("/close_session", Map.of(), cookies(), CLOSE);
    } catch (IOException e) {
      // What it earned is known.
    } catch (InterruptedException e) {
      interrupted = true;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private void say(String text) {
    if (!text.isBlank()) {
      output.add(
          item(
              "id", "msg_" + output.size(),
              "type", "message",
              "role", "assistant",
              "status", "completed",
              "content",
                  List.of(item("type", "output_text", "text", text, "annotations", List.of()))));
    }
  }

  private Observation verified() throws EpisodeException, InterruptedException {
    Map<String, @Nullable Object> body = row();
    body.put(
        "response",
        item(
            "id",
            "resp_" + task.episode(),
            "created_at",
            0,
            "model",
            "policy",
            "object",
            "response",
            "output",
            output,
            "parallel_tool_calls",
            true,
            "tool_choice",
            "auto",
            "tools",
            responsesTools()));
    Service.Answer answer = posted("/verify", body, attempts);
    if (!answer.ok()) {
      throw refused("/verify", answer);
    }
    JsonNode verdict = answer.json().orElseThrow(() -> unreadable("no JSON", answer));
    if (verdict.path("mask_sample").asBoolean(false)) {
      throw new EpisodeException(
          verdict.path("failure_kind").asText(MASKED).equals("null")
              ? MASKED
              : verdict.path("failure_kind").asText(MASKED),
          service.where("/verify") + ": " + verdict.path("failure_reason").asText("masked"));
    }
    JsonNode reward = verdict.path("reward");
    if (!reward.isNumber() || !Double.isFinite(reward.doubleValue())) {
      throw unreadable("a reward that is no finite number", answer);
    }
    Map<String, Double> parts = new TreeMap<>();
    for (Map.Entry<String, JsonNode> part : verdict.path("reward_components").properties()) {
      if (!part.getValue().isNumber() || !Double.isFinite(part.getValue().doubleValue())) {
        throw unreadable("a component " + part.getKey() + " that is no finite number", answer);
      }
      parts.put(part.getKey(), part.getValue().doubleValue());
    }
    return new Observation(List.of(), OptionalDouble.of(reward.doubleValue()), true, parts);
  }

  /** The data's row, with the parameters of a response, which are made where it has none. */
  private Map<String, @Nullable Object> row() {
    Map<String, @Nullable Object> row = new LinkedHashMap<>(task.prompt().metadata());
    if (!(row.get(PARAMETERS) instanceof Map<?, ?>)) {
      row.put(
          PARAMETERS,
          item(
              "input", List.of(item("role", "user", "content", task.prompt().text())),
              "tools", responsesTools()));
    }
    return row;
  }

  /** The tools as the Responses interface writes them. */
  private List<Map<String, @Nullable Object>> responsesTools() {
    return tools.stream()
        .map(
            tool -> {
              Map<String, @Nullable Object> flat = item("type", "function", "strict", true);
              if (tool.get("function") instanceof Map<?, ?> function) {
                function.forEach((key, value) -> flat.put(String.valueOf(key), value));
              }
              return flat;
            })
        .toList();
  }

  private static Map<String, @Nullable Object> item(Object... keysAndValues) {
    Map<String, @Nullable Object> item = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      item.put((String) keysAndValues[i], keysAndValues[i + 1]);
    }
    return item;
  }

  private Service.Answer posted(String route, Object body, int times)
      throws EpisodeException, InterruptedException {
    try {
      Service.Answer answer = Service.tried(times, () -> service.post(route, body, cookies()));
      keep(answer);
      return answer;
    } catch (HttpTimeoutException e) {
      throw new EpisodeException(
          Service.TOO_LONG, service.where(route) + ": " + Service.inWords(e));
    } catch (IOException e) {
      throw new EpisodeException(
          Service.UNREACHABLE,
          service.where(route)
              + (times > 1 ? ": " + times + " attempts, the last: " : ": ")
              + Service.inWords(e));
    }
  }

  private String cookies() {
    return cookies.entrySet().stream()
        .map(cookie -> cookie.getKey() + "=" + cookie.getValue())
        .collect(Collectors.joining("; "));
  }

  private void keep(Service.Answer answer) throws EpisodeException {
    for (String header : answer.headers().allValues("set-cookie")) {
      try {
        for (HttpCookie cookie : HttpCookie.parse("set-cookie: " + header)) {
          cookies.put(cookie.getName(), cookie.getValue());
        }
      } catch (IllegalArgumentException e) {
        throw unreadable("a cookie that is none (" + e.getMessage() + ")", answer);
      }
    }
  }

  private EpisodeException refused(String route, Service.Answer answer) {
    return new EpisodeException(
        answer.passing() ? Service.FAILED : Service.REFUSED,
        service.where(route) + " answered " + answer.inWords() + ", expected status 200");
  }

  private EpisodeException unreadable(String found, Service.Answer answer) {
    return new EpisodeException(
        Service.BAD_REPLY,
        service.name() + ": the server answered with " + found + ": " + answer.inWords());
  }
}
