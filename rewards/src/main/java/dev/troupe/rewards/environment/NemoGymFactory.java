package dev.troupe.rewards.environment;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.rlhf.environment.EnvironmentConfig.NemoGym;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A resources server of NeMo-Gym. */
final class NemoGymFactory implements EnvironmentFactory {
  /** Routes of the server's own, which no policy may call. */
  private static final Set<String> ROUTES =
      Set.of("verify", "seed_session", "close_session", "aggregate_metrics", "mcp", "health");

  private final NemoGym config;
  private final Service service;
  private final List<Map<String, @Nullable Object>> tools;

  private NemoGymFactory(
      NemoGym config, Service service, List<Map<String, @Nullable Object>> tools) {
    this.config = config;
    this.service = service;
    this.tools = tools;
  }

  /**
   * As configured; asks the server whether it is there.
   *
   * @throws EnvironmentException where it is not, or the tools cannot be read
   */
  static NemoGymFactory of(String name, NemoGym config, UnaryOperator<@Nullable String> variables) {
    List<Map<String, @Nullable Object>> tools =
        config.tools().isPresent() ? tools(name, config.tools().get()) : List.of();
    CheckedTools.schemas(name, tools);
    Service service =
        Service.of(
            name,
            config.url(),
            config.connectSeconds(),
            config.timeoutSeconds(),
            config.maxMegabytes(),
            config.tokenVariable(),
            variables);
    service.checkHealth("a resources server of NeMo-Gym");
    return new NemoGymFactory(config, service, tools);
  }

  private static List<Map<String, @Nullable Object>> tools(String name, String file) {
    JsonNode list;
    try {
      list = Service.JSON.readTree(Files.readString(Path.of(file)));
    } catch (JsonProcessingException e) {
      throw new EnvironmentException(
          name
              + ".tools: "
              + file
              + " is not valid JSON, line "
              + (e.getLocation() == null ? 0 : e.getLocation().getLineNr())
              + ": "
              + e.getOriginalMessage(),
          e);
    } catch (IOException e) {
      throw new EnvironmentException(name + ".tools: " + file + " cannot be read: " + e, e);
    }
    if (list == null || !list.isArray()) {
      throw new EnvironmentException(name + ".tools: " + file + " is no list of tools");
    }
    List<Map<String, @Nullable Object>> tools = new ArrayList<>();
    for (JsonNode tool : list) {
      JsonNode inner = tool.path("function");
      JsonNode function = inner.isObject() ? inner : tool;
      String called = function.path("name").asText();
      if (called.isBlank() || ROUTES.contains(called) || !called.matches("[A-Za-z0-9_.-]+")) {
        throw new EnvironmentException(
            name
                + ".tools: a tool in "
                + file
                + " is called \""
                + called
                + "\", expected a name of letters, digits, _, . and - that is no route of the"
                + " server's own");
      }
      Map<String, @Nullable Object> kept = new LinkedHashMap<>();
      kept.put("name", called);
      kept.put("description", function.path("description").asText(""));
      kept.put(
          "parameters",
          function.path("parameters").isObject()
              ? Service.JSON.convertValue(function.get("parameters"), Map.class)
              : Map.of("type", "object", "properties", Map.of()));
      Map<String, @Nullable Object> whole = new LinkedHashMap<>();
      whole.put("type", "function");
      whole.put("function", kept);
      tools.add(whole);
    }
    return List.copyOf(tools);
  }

  @Override
  public String name() {
    return service.name();
  }

  @Override
  public List<Map<String, @Nullable Object>> tools() {
    return tools;
  }

  @Override
  public Environment create(Environment.Task task) {
    return new NemoGymEpisode(config.attempts(), service, tools, task);
  }
}
