package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Conversation;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a record has beside its prompt and answers, and what it must not have. */
final class SettingParser {
  private static final List<String> SYSTEM = List.of("system", "system_prompt");
  private static final List<String> MEDIA =
      List.of("image", "images", "video", "videos", "audio", "audios");

  /** What apply_chat_template takes under these names is not the template's. */
  private static final Set<String> RESERVED =
      Set.of(
          "messages",
          "conversation",
          "tools",
          "documents",
          "chat_template",
          "add_generation_prompt",
          "continue_final_message",
          "tokenize");

  private SettingParser() {}

  /** The system's turn, the history and what the template is given. */
  static Setting setting(Shape shape, Fields fields) {
    List<ChatMessage> before = new ArrayList<>();
    fields
        .firstOf(SYSTEM)
        .map(key -> fields.text(shape, key))
        .filter(text -> !text.isEmpty())
        .ifPresent(text -> before.add(new ChatMessage("system", text)));
    if (shape == Shape.ALPACA || shape == Shape.PREFERENCE) {
      before.addAll(history(fields));
    }
    return new Setting(before, variables(fields));
  }

  /** The same for turns, which may begin with a system's of their own. */
  static Conversation around(Shape shape, Fields fields, List<ChatMessage> turns) {
    Setting setting = setting(shape, fields);
    if (!setting.before().isEmpty() && turns.get(0).role().equals("system")) {
      if (setting.before().size() == 1
          && setting.before().get(0).content().equals(turns.get(0).content())) {
        return new Conversation(turns, setting.variables());
      }
      throw DataException.at(
          fields.origin(),
          "has a \"system\" and its turns begin with another; leave one of them out");
    }
    return setting.conversation(turns);
  }

  /** LLaMA-Factory's pairs of a prompt and its answer. */
  private static List<ChatMessage> history(Fields fields) {
    if (!fields.has("history")) {
      return List.of();
    }
    JsonNode read = fields.read("history");
    JsonNode history = read == null ? null : JsonValues.unwrapped(fields, "history", read);
    List<ChatMessage> turns = new ArrayList<>();
    if (history != null && history.isArray()) {
      for (JsonNode pair : history) {
        if (!pair.isArray()
            || pair.size() != 2
            || !pair.get(0).isTextual()
            || !pair.get(1).isTextual()) {
          throw DataException.at(
              fields.origin(),
              "\"history\" has "
                  + Fields.kind(pair)
                  + " in it, expected pairs of a prompt and its answer: [[text, text], …]");
        }
        turns.add(new ChatMessage("user", pair.get(0).textValue()));
        turns.add(new ChatMessage("assistant", pair.get(1).textValue()));
      }
      return turns;
    }
    throw fields.wrong(
        "history",
        fields.node().get("history"),
        "pairs of a prompt and its answer: [[text, text], …]");
  }

  private static Map<String, @Nullable Object> variables(Fields fields) {
    Map<String, @Nullable Object> variables = new LinkedHashMap<>();
    for (String key : List.of("tools", "documents")) {
      JsonNode given = given(fields, key);
      if (given != null) {
        if (!given.isArray()) {
          throw fields.wrong(key, given, "a list of objects");
        }
        for (JsonNode item : given) {
          if (!item.isObject()) {
            throw DataException.at(
                fields.origin(),
                "\"" + key + "\" has " + Fields.kind(item) + " in it, expected objects");
          }
        }
        variables.put(key, JsonValues.plain(given));
      }
    }
    JsonNode kwargs = given(fields, "chat_template_kwargs");
    if (kwargs != null) {
      if (!kwargs.isObject()) {
        throw fields.wrong("chat_template_kwargs", kwargs, "an object");
      }
      for (Map.Entry<String, JsonNode> field : kwargs.properties()) {
        if (RESERVED.contains(field.getKey())) {
          throw DataException.at(
              fields.origin(),
              "\"chat_template_kwargs\" has \""
                  + field.getKey()
                  + "\", which is not the template's to be told there");
        }
        variables.put(field.getKey(), JsonValues.plain(field.getValue()));
      }
    }
    return variables;
  }

  private static @Nullable JsonNode given(Fields fields, String key) {
    JsonNode value = fields.read(key);
    if (value == null || Fields.isEmpty(value)) {
      return null;
    }
    JsonNode given = JsonValues.unwrapped(fields, key, value);
    return Fields.isEmpty(given) ? null : given;
  }

  /** Pictures and sounds change what a text means, and no text-only model sees them. */
  static void refuseMedia(Fields fields) {
    for (String key : MEDIA) {
      JsonNode value = fields.node().get(key);
      if (value != null && !Fields.isEmpty(value)) {
        throw DataException.at(
            fields.origin(),
            "has \""
                + key
                + "\", and only text can be learned; leave such records out, or name the field in"
                + " the source's ignore to learn from the text alone");
      }
    }
  }
}
