package dev.troupe.rewards.environment;

import com.fasterxml.jackson.databind.JsonNode;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaException;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.ValidationMessage;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.Environments;
import dev.troupe.rlhf.port.Environment;
import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.Observation;
import dev.troupe.rlhf.port.Environment.ToolCall;
import dev.troupe.rlhf.port.EnvironmentException;
import dev.troupe.rlhf.port.EnvironmentFactory;
import dev.troupe.rlhf.port.EpisodeException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Checks calls against the schemas of the tools that were offered. A call of another tool, or with
 * arguments that its schema does not allow, reaches no environment: it is answered here with what
 * is wrong, for the policy to read, and counted.
 */
public final class CheckedTools implements EnvironmentFactory {
  /** Parts of an observation that count what was refused here. */
  public static final String UNKNOWN_TOOL = "unknownTool";

  public static final String BAD_ARGUMENTS = "badArguments";
  public static final String TOO_MANY_CALLS = "tooManyCalls";

  /** More calls in one turn are answered without being carried out. */
  static final int MOST_CALLS = 128;

  private static final int MOST_FAULTS = 5;

  private final EnvironmentFactory inner;
  private @Nullable Map<String, JsonSchema> schemas;

  private CheckedTools(EnvironmentFactory inner) {
    this.inner = inner;
  }

  /** Around another factory. */
  public static EnvironmentFactory of(EnvironmentFactory inner) {
    return new CheckedTools(inner);
  }

  /** Around all that others make. */
  public static Environments all(Environments others) {
    return new Environments() {
      @Override
      public EnvironmentFactory make(String name, EnvironmentConfig config) {
        return of(others.make(name, config));
      }

      @Override
      public boolean given(EnvironmentConfig config) {
        return others.given(config);
      }
    };
  }

  @Override
  public String name() {
    return inner.name();
  }

  @Override
  public synchronized List<Map<String, @Nullable Object>> tools() throws Exception {
    List<Map<String, @Nullable Object>> tools = offered();
    schemas = schemas(inner.name(), tools);
    return tools;
  }

  private List<Map<String, @Nullable Object>> offered() throws Exception {
    @Nullable List<Map<String, @Nullable Object>> tools = inner.tools();
    if (tools == null) {
      throw new EnvironmentException(
          inner.name() + " offers null for tools, expected a list, empty for none");
    }
    return tools;
  }

  @Override
  public Environment create(Environment.Task task) throws Exception {
    // Before it is made: listing tools may take the place that it would hold.
    Map<String, JsonSchema> checks = schemas();
    @Nullable Environment made = inner.create(task);
    if (made == null) {
      throw new EnvironmentException("the factory " + inner.name() + " made no environment");
    }
    return new Checked(made, checks);
  }

  @Override
  public void close() {
    inner.close();
  }

  private synchronized Map<String, JsonSchema> schemas() throws Exception {
    if (schemas == null) {
      schemas = schemas(inner.name(), offered());
    }
    return schemas;
  }

  /**
   * Reads the tools' schemas.
   *
   * @throws EnvironmentException for a tool without a name, two of one name, or a bad schema
   */
  static Map<String, JsonSchema> schemas(
      String name, List<? extends Map<String, ? extends @Nullable Object>> tools) {
    Map<String, JsonSchema> schemas = new HashMap<>();
    for (Map<String, ?> tool : tools) {
      if (!(tool.get("function") instanceof Map<?, ?> function)
          || !(function.get("name") instanceof String called)
          || called.isBlank()) {
        throw new EnvironmentException(
            name
                + ": a tool is "
                + Service.excerpt(String.valueOf(tool))
                + ", expected {type: function, function: {name, description, parameters}}");
      }
      Object parameters = function.get("parameters");
      JsonSchema schema;
      try {
        JsonNode tree = Service.JSON.valueToTree(parameters == null ? Map.of() : parameters);
        if (!tree.isObject()) {
          throw new IllegalArgumentException(
              Service.excerpt(tree.toString()) + ", expected an object");
        }
        schema = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012).getSchema(tree);
        schema.initializeValidators();
      } catch (JsonSchemaException | IllegalArgumentException e) {
        throw new EnvironmentException(
            name
                + ": the parameters of the tool "
                + called
                + " are no JSON Schema: "
                + e.getMessage(),
            e);
      }
      if (schemas.put(called, schema) != null) {
        throw new EnvironmentException(name + ": two tools are called " + called);
      }
    }
    return schemas;
  }

  /** A tool's answer that says what is wrong, as it is written in the field. */
  static ChatMessage error(ToolCall call, String what) {
    return answer(call, Service.JSON.createObjectNode().put("error", what).toString());
  }

  /** A tool's answer. */
  static ChatMessage answer(ToolCall call, String content) {
    Map<String, @Nullable Object> fields = new LinkedHashMap<>();
    fields.put("name", call.name());
    if (!call.id().isEmpty()) {
      fields.put("tool_call_id", call.id());
    }
    return new ChatMessage("tool", content, fields);
  }

  /** One episode's. */
  private record Checked(Environment inner, Map<String, JsonSchema> schemas)
      implements Environment {
    @Override
    public Observation reset() throws Exception {
      return inner.reset();
    }

    @Override
    public Observation cut(String unfinished) throws Exception {
      return inner.cut(unfinished);
    }

    @Override
    public void close() {
      inner.close();
    }

    @Override
    public Observation step(Action action) throws Exception {
      Map<String, Double> counts = new HashMap<>();
      List<Optional<ChatMessage>> refused = new ArrayList<>();
      List<ToolCall> good = new ArrayList<>();
      for (ToolCall call : action.calls()) {
        Optional<ChatMessage> fault = fault(call, refused.size(), counts);
        refused.add(fault);
        if (fault.isEmpty()) {
          good.add(call);
        }
      }
      if (counts.isEmpty()) {
        return inner.step(action);
      }
      int failed = action.calls().size() - good.size();
      if (good.isEmpty()) {
        return new Observation(
            refused.stream().flatMap(Optional::stream).toList(),
            OptionalDouble.empty(),
            false,
            counts,
            failed);
      }
      @Nullable Observation seen = inner.step(new Action(action.text(), good));
      if (seen == null) {
        throw new EpisodeException(OpenEnvSocket.OUT_OF_TURN, "it answered null");
      }
      seen.parts().forEach((part, value) -> counts.merge(part, value, Double::sum));
      return new Observation(
          seen.messages().isEmpty() ? List.of() : merged(refused, good.size(), seen.messages()),
          seen.reward(),
          seen.done(),
          counts,
          failed + seen.failedCalls());
    }

    private Optional<ChatMessage> fault(ToolCall call, int before, Map<String, Double> counts) {
      if (before >= MOST_CALLS) {
        counts.merge(TOO_MANY_CALLS, 1.0, Double::sum);
        return Optional.of(
            error(call, "Too many calls in one turn; at most " + MOST_CALLS + " are carried out."));
      }
      JsonSchema schema = schemas.get(call.name());
      if (schema == null) {
        counts.merge(UNKNOWN_TOOL, 1.0, Double::sum);
        return Optional.of(
            error(
                call,
                "There is no tool "
                    + Service.excerpt(call.name())
                    + (schemas.isEmpty()
                        ? ", and no other."
                        : "; there are: "
                            + schemas.keySet().stream().sorted().collect(Collectors.joining(", "))
                            + ".")));
      }
      List<String> faults =
          schema.validate(Service.JSON.valueToTree(call.arguments())).stream()
              .map(ValidationMessage::getMessage)
              .limit(MOST_FAULTS)
              .map(Service::excerpt)
              .toList();
      if (faults.isEmpty()) {
        return Optional.empty();
      }
      counts.merge(BAD_ARGUMENTS, 1.0, Double::sum);
      return Optional.of(
          error(call, "Bad arguments of " + call.name() + ": " + String.join("; ", faults)));
    }

    /** The environment's answers where its calls were, and whatever it says behind them. */
    private static List<ChatMessage> merged(
        List<Optional<ChatMessage>> refused, int good, List<ChatMessage> answers)
        throws EpisodeException {
      if (answers.size() < good) {
        throw new EpisodeException(
            OpenEnvSocket.OUT_OF_TURN,
            answers.size() + " messages for " + good + " calls, expected one for each");
      }
      List<ChatMessage> merged = new ArrayList<>();
      int next = 0;
      for (Optional<ChatMessage> fault : refused) {
        merged.add(fault.isPresent() ? fault.get() : answers.get(next++));
      }
      merged.addAll(answers.subList(next, answers.size()));
      return merged;
    }
  }
}
