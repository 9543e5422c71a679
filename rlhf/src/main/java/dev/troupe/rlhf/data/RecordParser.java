package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** From one JSON value to records. */
final class RecordParser {
  private static final Map<String, String> ROLE_ALIASES =
      Map.of("human", "user", "gpt", "assistant", "chatgpt", "assistant", "bot", "assistant");
  private static final Set<String> ROLES =
      Set.of("system", "developer", "user", "assistant", "tool");

  private RecordParser() {}

  /** The shape whose keys a value has. */
  static Shape recognise(JsonNode node, Origin origin) {
    if (node.isTextual()) {
      return Shape.PROMPT;
    }
    if (node.has("chosen") && node.has("rejected")) {
      boolean dialogues =
          !node.has("prompt") && node.get("chosen").isTextual() && node.get("rejected").isTextual();
      return dialogues ? Shape.HH : Shape.PREFERENCE;
    }
    if (node.has("messages") || node.has("conversations")) {
      return Shape.MESSAGES;
    }
    if (node.has("instruction") && node.has("output")) {
      return Shape.ALPACA;
    }
    if (node.has("instruction") && node.has("instances")) {
      return Shape.SELF_INSTRUCT;
    }
    if (node.has("prompt")) {
      return node.has("completion") || node.has("response")
          ? Shape.PROMPT_COMPLETION
          : Shape.PROMPT;
    }
    if (node.has("question")) {
      return node.has("answer") ? Shape.QUESTION_ANSWER : Shape.PROMPT;
    }
    if (node.has("text")) {
      return Shape.TEXT;
    }
    throw DataException.at(
        origin,
        found(node)
            + ", which is no known shape of record. Known shapes:"
            + Arrays.stream(Shape.values())
                .filter(shape -> shape != Shape.AUTO)
                .map(shape -> "\n  " + name(shape) + ": " + shape.layout())
                .collect(Collectors.joining()));
  }

  /** The records of one value: several for a Self-Instruct task, else one. */
  static List<DataRecord> parse(Shape shape, JsonNode node, Origin origin) {
    return switch (shape) {
      case AUTO -> parse(recognise(node, origin), node, origin);
      case PROMPT_COMPLETION -> {
        String answer = node.has("completion") ? "completion" : "response";
        yield List.of(completion(shape, node, origin, "prompt", answer));
      }
      case QUESTION_ANSWER -> List.of(completion(shape, node, origin, "question", "answer"));
      case ALPACA ->
          List.of(
              alpaca(
                  origin,
                  text(shape, node, origin, "instruction"),
                  optionalText(shape, node, origin, "input"),
                  text(shape, node, origin, "output")));
      case SELF_INSTRUCT -> selfInstruct(node, origin);
      case MESSAGES -> List.of(dialogue(node, origin));
      case PREFERENCE -> List.of(PreferenceParser.parse(node, origin));
      case HH ->
          List.of(
              HhDialogues.parse(
                  origin,
                  text(shape, node, origin, "chosen"),
                  text(shape, node, origin, "rejected")));
      case PROMPT -> List.of(new DataRecord.BarePrompt(origin, barePrompt(node, origin)));
      case TEXT -> List.of(new DataRecord.PlainText(origin, text(shape, node, origin, "text")));
    };
  }

  /** As configuration files write it. */
  static String name(Shape shape) {
    return shape.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** A value's keys, or its kind when it has none. */
  static String found(JsonNode node) {
    if (!node.isObject()) {
      return "found " + kind(node);
    }
    List<String> keys = new ArrayList<>();
    node.fieldNames().forEachRemaining(keys::add);
    return keys.isEmpty() ? "found an object without keys" : "found the keys " + keys;
  }

  /** The text at a key, or an error that says what is there. */
  static String text(Shape shape, JsonNode node, Origin origin, String key) {
    JsonNode value = node.get(key);
    if (value == null) {
      throw DataException.at(
          origin,
          found(node)
              + ", expected \""
              + key
              + "\" among them: a record of shape "
              + name(shape)
              + " is "
              + shape.layout());
    }
    if (!value.isTextual()) {
      throw DataException.at(origin, "\"" + key + "\" is " + kind(value) + ", expected text");
    }
    return value.textValue();
  }

  static PromptText prompt(Shape shape, JsonNode node, Origin origin, String key) {
    JsonNode value = node.get(key);
    return value != null && value.isArray()
        ? new PromptText.Chat(messages(value, origin, key))
        : new PromptText.Plain(text(shape, node, origin, key));
  }

  /** Turns under their usual names, roles normalised. */
  static List<ChatMessage> messages(JsonNode array, Origin origin, String key) {
    if (!array.isArray() || array.isEmpty()) {
      throw DataException.at(
          origin, "\"" + key + "\" is " + kind(array) + ", expected a list of one or more turns");
    }
    List<ChatMessage> messages = new ArrayList<>();
    for (JsonNode turn : array) {
      String roleKey = turn.has("from") ? "from" : "role";
      String contentKey = turn.has("value") ? "value" : "content";
      String role = text(Shape.MESSAGES, turn, origin, roleKey);
      String known = ROLE_ALIASES.getOrDefault(role, role);
      if (!ROLES.contains(known)) {
        throw DataException.at(
            origin,
            "a turn in \""
                + key
                + "\" has the role \""
                + role
                + "\", expected system, user (human) or assistant (gpt)");
      }
      messages.add(new ChatMessage(known, text(Shape.MESSAGES, turn, origin, contentKey)));
    }
    return messages;
  }

  static String kind(JsonNode node) {
    return switch (node.getNodeType()) {
      case ARRAY -> node.isEmpty() ? "an empty list" : "a list";
      case BOOLEAN -> "true or false";
      case NULL -> "null";
      case NUMBER -> "a number";
      case OBJECT -> "an object";
      case STRING -> "text";
      case BINARY, MISSING, POJO -> "nothing";
    };
  }

  private static String optionalText(Shape shape, JsonNode node, Origin origin, String key) {
    return node.hasNonNull(key) ? text(shape, node, origin, key) : "";
  }

  private static DataRecord completion(
      Shape shape, JsonNode node, Origin origin, String promptKey, String answerKey) {
    PromptText prompt = prompt(shape, node, origin, promptKey);
    JsonNode answer = node.get(answerKey);
    if (answer != null && answer.isArray()) {
      // TRL's conversational form: the answer is a list of one assistant's turn.
      List<ChatMessage> turns = messages(answer, origin, answerKey);
      if (turns.size() != 1 || !turns.get(0).role().equals("assistant")) {
        throw DataException.at(
            origin, "\"" + answerKey + "\" is a list, expected one assistant's turn in it");
      }
      return new DataRecord.Completion(origin, prompt, turns.get(0).content());
    }
    return new DataRecord.Completion(origin, prompt, text(shape, node, origin, answerKey));
  }

  private static DataRecord alpaca(Origin origin, String instruction, String input, String output) {
    return new DataRecord.Completion(
        origin, new PromptText.Instruction(instruction, input), output);
  }

  private static List<DataRecord> selfInstruct(JsonNode node, Origin origin) {
    String instruction = text(Shape.SELF_INSTRUCT, node, origin, "instruction");
    JsonNode instances = node.get("instances");
    if (instances == null || !instances.isArray() || instances.isEmpty()) {
      throw DataException.at(
          origin,
          found(node) + ", expected \"instances\" to be a list of one or more inputs and outputs");
    }
    List<DataRecord> records = new ArrayList<>();
    for (JsonNode instance : instances) {
      records.add(
          alpaca(
              origin,
              instruction,
              optionalText(Shape.SELF_INSTRUCT, instance, origin, "input"),
              text(Shape.SELF_INSTRUCT, instance, origin, "output")));
    }
    return records;
  }

  private static DataRecord dialogue(JsonNode node, Origin origin) {
    String key = node.has("conversations") ? "conversations" : "messages";
    JsonNode turns = node.get(key);
    if (turns == null) {
      throw DataException.at(
          origin, found(node) + ", expected \"messages\": " + Shape.MESSAGES.layout());
    }
    return new DataRecord.Dialogue(origin, messages(turns, origin, key));
  }

  private static PromptText barePrompt(JsonNode node, Origin origin) {
    if (node.isTextual()) {
      return new PromptText.Plain(node.textValue());
    }
    String key = node.has("question") && !node.has("prompt") ? "question" : "prompt";
    return prompt(Shape.PROMPT, node, origin, key);
  }
}
