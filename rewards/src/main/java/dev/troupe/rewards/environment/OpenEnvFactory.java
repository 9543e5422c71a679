package dev.troupe.rewards.environment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.rlhf.environment.EnvironmentConfig.OpenEnv;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A server of OpenEnv. */
final class OpenEnvFactory implements EnvironmentFactory {
  private static final String WHAT = "an OpenEnv server";

  private final OpenEnv config;
  private final Service service;
  private final Semaphore places;
  private @Nullable List<Map<String, @Nullable Object>> tools;

  private OpenEnvFactory(OpenEnv config, Service service) {
    this.config = config;
    this.service = service;
    places = new Semaphore(config.sessions(), true);
  }

  /**
   * As configured; asks the server whether it is there and has the fields that are named.
   *
   * @throws EnvironmentException where it is not or has not
   */
  static OpenEnvFactory of(String name, OpenEnv config, UnaryOperator<@Nullable String> variables) {
    Service service =
        Service.of(
            name,
            config.url(),
            config.connectSeconds(),
            config.timeoutSeconds(),
            config.maxMegabytes(),
            config.tokenVariable(),
            variables);
    service.checkHealth(WHAT);
    OpenEnvFactory factory = new OpenEnvFactory(config, service);
    factory.checkFields();
    return factory;
  }

  /** A server that publishes no schema is believed to have the fields. */
  private void checkFields() {
    Service.Answer answer;
    try {
      answer = Service.tried(3, () -> service.get("/schema"));
    } catch (IOException e) {
      throw new EnvironmentException(
          service.where("/schema") + " did not answer: " + Service.inWords(e), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new EnvironmentException(service.where("/schema") + ": the run was stopped", e);
    }
    if (!answer.ok() || answer.json().isEmpty()) {
      return;
    }
    JsonNode schema = answer.json().get();
    if (config.use() == OpenEnv.Use.ACTIONS) {
      checkField("action-field", config.actionField(), schema.path("action"));
    }
    config
        .observationField()
        .ifPresent(field -> checkField("observation-field", field, schema.path("observation")));
  }

  private void checkField(String key, String field, JsonNode schema) {
    JsonNode properties = schema.path("properties");
    if (!properties.isObject() || properties.isEmpty() || properties.has(field)) {
      return;
    }
    List<String> known = new ArrayList<>();
    properties.fieldNames().forEachRemaining(known::add);
    known.remove("metadata");
    throw new EnvironmentException(
        service.name()
            + "."
            + key
            + " is "
            + field
            + ", and "
            + service.uri("/schema")
            + " has no such field; it has "
            + known
            + (known.contains("tool_name") ? ". An environment of tools needs use = tools" : ""));
  }

  @Override
  public String name() {
    return service.name();
  }

  @Override
  public synchronized List<Map<String, @Nullable Object>> tools() throws Exception {
    if (config.use() == OpenEnv.Use.ACTIONS) {
      return List.of();
    }
    if (tools == null) {
      tools = listed();
    }
    return tools;
  }

  private List<Map<String, @Nullable Object>> listed() throws Exception {
    place();
    try {
      OpenEnvSession.Begun begun = OpenEnvSession.begin(service, Map.of(), config.attempts());
      try (OpenEnvSession session = begun.session()) {
        ObjectNode action = Service.JSON.createObjectNode().put("type", "list_tools");
        return offered(session.step(action).seen());
      }
    } catch (OpenEnvSession.Invalid | EpisodeException e) {
      throw new EnvironmentException(
          service.where("/ws")
              + " does not list its tools: "
              + e.getMessage()
              + ". An environment whose actions are no calls needs use = actions",
          e);
    } finally {
      places.release();
    }
  }

  private List<Map<String, @Nullable Object>> offered(JsonNode seen) {
    List<Map<String, @Nullable Object>> offered = new ArrayList<>();
    for (JsonNode tool : seen.path("tools")) {
      Map<String, @Nullable Object> function = new LinkedHashMap<>();
      function.put("name", tool.path("name").asText());
      function.put("description", tool.path("description").asText(""));
      JsonNode schema =
          tool.has("input_schema") ? tool.get("input_schema") : tool.path("inputSchema");
      function.put(
          "parameters",
          schema.isObject()
              ? Service.JSON.convertValue(schema, Map.class)
              : Map.of("type", "object", "properties", Map.of()));
      Map<String, @Nullable Object> whole = new LinkedHashMap<>();
      whole.put("type", "function");
      whole.put("function", function);
      offered.add(whole);
    }
    if (offered.isEmpty()) {
      throw new EnvironmentException(
          service.where("/ws")
              + " lists no tools: "
              + Service.excerpt(seen.toString())
              + "; an environment whose actions are no calls needs use = actions");
    }
    return List.copyOf(offered);
  }

  @Override
  public Environment create(Environment.Task task) throws Exception {
    place();
    return new OpenEnvEpisode(config, service, task, places::release);
  }

  /** Takes one of the places that the server has. */
  private void place() throws EpisodeException, InterruptedException {
    if (!places.tryAcquire((long) (config.placeSeconds() * 1e9), TimeUnit.NANOSECONDS)) {
      throw new EpisodeException(
          OpenEnvSession.NO_PLACE,
          service.name()
              + ": all "
              + config.sessions()
              + " sessions were in use for "
              + Service.seconds(Service.duration(config.placeSeconds()))
              + " (place-seconds); raise sessions, and the server's max_concurrent_envs with it, or"
              + " let fewer episodes run at a time");
    }
  }
}
