package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import java.util.List;

/** Records with "chosen" and "rejected", as text or as turns, with or without "prompt". */
final class PreferenceParser {
  private PreferenceParser() {}

  static DataRecord parse(JsonNode node, Origin origin) {
    JsonNode chosen = node.get("chosen");
    JsonNode rejected = node.get("rejected");
    if (chosen != null && chosen.isArray() && rejected != null && rejected.isArray()) {
      return ofTurns(node, origin);
    }
    return new DataRecord.Preference(
        origin,
        RecordParser.prompt(Shape.PREFERENCE, node, origin, "prompt"),
        RecordParser.text(Shape.PREFERENCE, node, origin, "chosen"),
        RecordParser.text(Shape.PREFERENCE, node, origin, "rejected"),
        margin(node, origin));
  }

  /** The turns that both share are the prompt; what is left of each must be one answer. */
  private static DataRecord ofTurns(JsonNode node, Origin origin) {
    List<ChatMessage> chosen = RecordParser.messages(node.get("chosen"), origin, "chosen");
    List<ChatMessage> rejected = RecordParser.messages(node.get("rejected"), origin, "rejected");
    int shared = 0;
    int most = Math.min(chosen.size(), rejected.size()) - 1; // the last turn is always an answer
    while (shared < most && chosen.get(shared).equals(rejected.get(shared))) {
      shared++;
    }
    // Without shared turns the answers stand alone and the prompt has a key of its own.
    PromptText prompt =
        shared > 0
            ? new PromptText.Chat(chosen.subList(0, shared))
            : asTurns(RecordParser.prompt(Shape.PREFERENCE, node, origin, "prompt"));
    return new DataRecord.Preference(
        origin,
        prompt,
        answer(chosen, shared, "chosen", origin),
        answer(rejected, shared, "rejected", origin),
        margin(node, origin));
  }

  private static PromptText asTurns(PromptText prompt) {
    return prompt instanceof PromptText.Plain plain
        ? new PromptText.Chat(List.of(new ChatMessage("user", plain.text())))
        : prompt;
  }

  private static String answer(List<ChatMessage> turns, int from, String key, Origin origin) {
    ChatMessage last = turns.get(turns.size() - 1);
    if (turns.size() != from + 1 || !last.role().equals("assistant")) {
      throw DataException.at(
          origin,
          "\""
              + key
              + "\" has "
              + (turns.size() - from)
              + " turns that the other side does not share, the last by "
              + last.role()
              + "; expected the two sides to differ in one last assistant's turn");
    }
    return last.content();
  }

  private static double margin(JsonNode node, Origin origin) {
    JsonNode margin = node.get("margin");
    if (margin == null || margin.isNull()) {
      return 0;
    }
    if (!margin.isNumber()) {
      throw DataException.at(
          origin, "\"margin\" is " + RecordParser.kind(margin) + ", expected a number");
    }
    return margin.doubleValue();
  }
}
