package dev.troupe.rewards.environment;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.environment.EnvironmentConfig.OpenEnv;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EpisodeException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** One episode at an OpenEnv server. */
final class OpenEnvEpisode implements Environment {
  /** Counts actions that the environment's schema does not allow. */
  static final String INVALID_ACTION = "invalidAction";

  private static final ObjectReader WHOLE =
      Service.JSON.reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  private final OpenEnv config;
  private final Service service;
  private final Task task;
  private final Runnable release;
  private final AtomicBoolean released = new AtomicBoolean();
  private @Nullable OpenEnvSession session;

  /**
   * @param release gives the episode's place back
   */
  OpenEnvEpisode(OpenEnv config, Service service, Task task, Runnable release) {
    this.config = config;
    this.service = service;
    this.task = task;
    this.release = release;
  }

  @Override
  public Observation reset() throws EpisodeException, InterruptedException {
    Map<String, @Nullable Object> reset = new LinkedHashMap<>();
    for (String field : config.resetFields()) {
      if (!task.prompt().metadata().containsKey(field)) {
        throw new EnvironmentException(
            service.name()
                + ".reset-fields has "
                + field
                + ", and prompt "
                + task.prompt().id()
                + " has no such field in its data; it has "
                + task.prompt().metadata().keySet().stream().sorted().toList());
      }
      reset.put(field, task.prompt().metadata().get(field));
    }
    // Environments hand it to generators that take 32 bits and no sign.
    reset.put("seed", task.seed() & 0x7fffffff);
    reset.put("episode_id", task.episode());
    OpenEnvSession.Begun begun = OpenEnvSession.begin(service, reset, config.attempts());
    session = begun.session();
    boolean shown = config.use() == OpenEnv.Use.ACTIONS || config.observationField().isPresent();
    List<ChatMessage> first =
        shown && !begun.first().done() ? user(text(begun.first().seen())) : List.of();
    return observation(
        begun.first(),
        // Nothing to see is no turn before the policy's first.
        first.stream().filter(message -> !message.content().isBlank()).toList());
  }

  @Override
  public Observation step(Action action) throws EpisodeException, InterruptedException {
    OpenEnvSession opened = session;
    if (opened == null) {
      throw new IllegalStateException("a step before the reset");
    }
    return switch (config.use()) {
      case ACTIONS -> said(opened, action.text());
      case TOOLS -> called(opened, action.calls());
    };
  }

  private Observation said(OpenEnvSession opened, String text)
      throws EpisodeException, InterruptedException {
    Optional<JsonNode> written = object(text);
    JsonNode action =
        written.orElseGet(() -> Service.JSON.createObjectNode().put(config.actionField(), text));
    try {
      OpenEnvSession.Seen seen = opened.step(action);
      // The last observation of a game may be of another form, and nobody reads it.
      return observation(seen, seen.done() ? List.of() : user(text(seen.seen())));
    } catch (OpenEnvSession.Invalid e) {
      if (written.isEmpty() && e.lacksFields(config.actionField())) {
        throw new EnvironmentException(
            service.where("/ws")
                + " refuses the action "
                + Service.excerpt(action.toString())
                + ": "
                + e.getMessage()
                + ". Is "
                + service.name()
                + ".action-field ("
                + config.actionField()
                + ") the field for what the policy says?",
            e);
      }
      // The policy wrote it, and may write a better one.
      ObjectNode error = Service.JSON.createObjectNode().put("error", e.getMessage());
      return new Observation(
          user(error.toString()), OptionalDouble.empty(), false, Map.of(INVALID_ACTION, 1.0));
    }
  }

  /** An answer that is a JSON object from end to end. */
  private static Optional<JsonNode> object(String text) {
    if (!text.strip().startsWith("{")) {
      return Optional.empty();
    }
    try {
      return Optional.of(WHOLE.readTree(text)).filter(JsonNode::isObject);
    } catch (JsonProcessingException e) {
      return Optional.empty();
    }
  }

  /** A turn without calls ends an episode of tools. */
  private Observation called(OpenEnvSession opened, List<ToolCall> calls)
      throws EpisodeException, InterruptedException {
    List<ChatMessage> messages = new ArrayList<>();
    OptionalDouble reward = OptionalDouble.empty();
    boolean done = calls.isEmpty();
    int failed = 0;
    for (ToolCall call : calls) {
      ObjectNode action = Service.JSON.createObjectNode().put("type", "call_tool");
      action.put("tool_name", call.name());
      action.set("arguments", Service.JSON.valueToTree(call.arguments()));
      OpenEnvSession.Seen seen;
      try {
        seen = opened.step(action);
      } catch (OpenEnvSession.Invalid e) {
        messages.add(CheckedTools.error(call, String.valueOf(e.getMessage())));
        failed++;
        continue;
      }
      if (seen.reward().isPresent()) {
        reward = OptionalDouble.of(reward.orElse(0) + seen.reward().getAsDouble());
      }
      JsonNode error = seen.seen().path("error");
      if (!error.isNull() && !error.isMissingNode()) {
        messages.add(CheckedTools.error(call, error.path("message").asText(error.toString())));
        failed++;
      } else {
        messages.add(CheckedTools.answer(call, result(seen.seen().path("result"))));
        failed += seen.seen().path("result").path("is_error").asBoolean(false) ? 1 : 0;
      }
      if (seen.done()) {
        done = true;
        break;
      }
    }
    return new Observation(done ? List.of() : messages, reward, done, Map.of(), failed);
  }

  /** A tool's result as text: its text contents, or what else there is as JSON. */
  private static String result(JsonNode result) {
    List<String> texts = new ArrayList<>();
    for (JsonNode content : result.path("content")) {
      if (content.path("type").asText().equals("text")) {
        texts.add(content.path("text").asText());
      }
    }
    if (!texts.isEmpty()) {
      return String.join("\n", texts);
    }
    JsonNode structured = result.path("structured_content");
    JsonNode shown =
        structured.isObject() ? structured : result.has("data") ? result.get("data") : result;
    return shown.isTextual() ? shown.asText() : shown.toString();
  }

  /** What the policy reads of an observation. */
  private String text(JsonNode seen) {
    if (config.observationField().isEmpty()) {
      return seen.toString();
    }
    String field = config.observationField().get();
    JsonNode shown = seen.path(field);
    if (shown.isMissingNode()) {
      throw new EnvironmentException(
          service.name()
              + ".observation-field is "
              + field
              + ", and an observation of "
              + service.uri("/ws")
              + " has no such field: "
              + Service.excerpt(seen.toString()));
    }
    return shown.isNull() ? "" : shown.isTextual() ? shown.asText() : shown.toString();
  }

  private static List<ChatMessage> user(String text) {
    return List.of(new ChatMessage("user", text));
  }

  private static Observation observation(OpenEnvSession.Seen seen, List<ChatMessage> messages) {
    return new Observation(messages, seen.reward(), seen.done(), Map.of());
  }

  @Override
  public void close() {
    OpenEnvSession opened = session;
    session = null;
    try {
      if (opened != null) {
        opened.close();
      }
    } finally {
      if (released.compareAndSet(false, true)) {
        release.run();
      }
    }
  }
}
