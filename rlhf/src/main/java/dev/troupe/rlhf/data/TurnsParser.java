package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Turns of a dialogue, by OpenAI's names or ShareGPT's. */
final class TurnsParser {
  private static final Map<String, String> ROLE_ALIASES =
      Map.of(
          "human", "user",
          "gpt", "assistant",
          "chatgpt", "assistant",
          "bot", "assistant",
          "model", "assistant",
          "observation", "tool");

  private static final Set<String> ROLES =
      Set.of("system", "developer", "user", "assistant", "tool", "function", "ipython");

  /** Text in a list of parts, by the names that APIs give it. */
  private static final Set<String> TEXT_PARTS = Set.of("text", "input_text", "output_text");

  private TurnsParser() {}

  /** A list of turns, roles normalised. */
  static List<ChatMessage> turns(Fields record, String key, @Nullable JsonNode array) {
    JsonNode list = array == null ? null : JsonValues.unwrapped(record, key, array);
    if (list == null || !list.isArray() || list.isEmpty()) {
      throw DataException.at(
          record.origin(),
          "\""
              + key
              + "\" is "
              + (list == null ? "not there" : Fields.kind(list))
              + ", expected a list of one or more turns");
    }
    List<ChatMessage> turns = new ArrayList<>();
    for (JsonNode turn : list) {
      turns.add(turn(record, key, turn));
    }
    return turns;
  }

  static ChatMessage turn(Fields record, String key, JsonNode node) {
    if (!node.isObject()) {
      throw DataException.at(
          record.origin(),
          "a turn in \"" + key + "\" is " + Fields.kind(node) + ", expected an object");
    }
    Fields turn = new Fields(node, record.origin());
    String role = turn.text(Shape.MESSAGES, oneOf(turn, "from", "role"));
    String contentKey = oneOf(turn, "value", "content");
    if (role.equals("function_call")) {
      Imitation.readFlags(turn);
      return functionCall(turn, contentKey);
    }
    String known = ROLE_ALIASES.getOrDefault(role, role);
    if (!ROLES.contains(known)) {
      throw DataException.at(
          record.origin(),
          "a turn in \""
              + key
              + "\" has the role \""
              + role
              + "\", expected system, user (human), assistant (gpt) or tool");
    }
    if (known.equals("assistant")) {
      Imitation.readFlags(turn);
    }
    Map<String, @Nullable Object> fields = new LinkedHashMap<>();
    String content = content(record, turn, contentKey, fields);
    for (String name : turn.unread()) {
      fields.put(name, JsonValues.plain(node.get(name)));
    }
    return new ChatMessage(known, content, fields);
  }

  /** ShareGPT's name of a field or OpenAI's; both at once are one field twice. */
  private static String oneOf(Fields turn, String name, String other) {
    if (turn.has(name) && turn.has(other)) {
      throw DataException.at(
          turn.origin(),
          "a turn has both \""
              + name
              + "\" and \""
              + other
              + "\", which mean the same; leave one out");
    }
    return turn.has(name) ? name : other;
  }

  private static String content(
      Fields record, Fields turn, String key, Map<String, @Nullable Object> fields) {
    JsonNode value = turn.read(key);
    if ((value == null || value.isNull()) && turn.has("tool_calls")) {
      fields.put("content", null);
      return "";
    }
    if (value == null) {
      throw turn.lacks(Shape.MESSAGES, key);
    }
    if (value.isArray()) {
      List<Object> parts = new ArrayList<>();
      StringBuilder text = new StringBuilder();
      for (JsonNode node : value) {
        String part = part(record, key, node);
        parts.add(Map.of("type", "text", "text", part));
        text.append(part);
      }
      fields.put("content", parts);
      return text.toString();
    }
    if (!value.isTextual()) {
      throw turn.wrong(key, value, value.isNull() ? "text (null only beside tool_calls)" : "text");
    }
    return value.textValue();
  }

  /** The text of a part. */
  private static String part(Fields record, String key, JsonNode node) {
    if (node.isTextual()) {
      return node.textValue();
    }
    Fields part = new Fields(node, record.origin());
    JsonNode type = part.read("type");
    if (!node.isObject() || type == null || !TEXT_PARTS.contains(type.asText())) {
      throw DataException.at(
          record.origin(),
          "\""
              + key
              + "\" has a part "
              + (type == null ? "that is " + Fields.found(node) : "of type " + type)
              + ", expected {\"type\": \"text\", \"text\": text}: only text can be learned, so leave"
              + " such records out");
    }
    String text = part.text(Shape.MESSAGES, "text");
    part.unread().forEach(name -> record.unread(key + "[]." + name));
    return text;
  }

  /** ShareGPT's call of a function: JSON with its name and arguments. */
  private static ChatMessage functionCall(Fields turn, String key) {
    JsonNode call = JsonValues.unwrapped(turn, key, turn.node().path(key));
    List<JsonNode> calls = new ArrayList<>();
    if (call.isArray()) {
      call.forEach(calls::add);
    } else {
      calls.add(call);
    }
    turn.read(key);
    List<Object> plain = new ArrayList<>();
    for (JsonNode one : calls) {
      if (!one.isObject() || !one.path("name").isTextual()) {
        throw DataException.at(
            turn.origin(),
            "a function_call is "
                + Fields.found(one)
                + ", expected {\"name\": text, \"arguments\": object}");
      }
      Map<String, @Nullable Object> function = new LinkedHashMap<>();
      one.properties()
          .forEach(field -> function.put(field.getKey(), JsonValues.plain(field.getValue())));
      plain.add(Map.of("type", "function", "function", function));
    }
    Map<String, @Nullable Object> fields = new LinkedHashMap<>();
    fields.put("content", null);
    fields.put("tool_calls", plain);
    for (String name : turn.unread()) {
      fields.put(name, JsonValues.plain(turn.node().get(name)));
    }
    return new ChatMessage("assistant", "", fields);
  }
}
