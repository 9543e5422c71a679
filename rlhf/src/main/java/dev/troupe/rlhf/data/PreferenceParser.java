package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Conversation;
import java.util.ArrayList;
import java.util.List;

/** Records with two answers, as text or as turns, with or without a prompt of their own. */
final class PreferenceParser {
  private static final Shape SHAPE = Shape.PREFERENCE;
  private static final List<String> PROMPTS = List.of("prompt", "question", "query", "input");
  private static final List<String> TURNS = List.of("conversations", "messages");

  private PreferenceParser() {}

  static DataRecord parse(Fields fields) {
    Imitation.refuseDoubt(fields);
    boolean stackExchange = !fields.has("chosen") && fields.has("response_j");
    String better = stackExchange ? "response_j" : "chosen";
    String worse = stackExchange ? "response_k" : "rejected";
    JsonNode chosen = fields.node().get(better);
    JsonNode rejected = fields.node().get(worse);
    if (chosen != null && chosen.isArray() && rejected != null && rejected.isArray()) {
      Imitation.refuseMasked(fields, better, chosen.path(chosen.size() - 1));
      Imitation.refuseMasked(fields, worse, rejected.path(rejected.size() - 1));
      return ofTurns(fields);
    }
    return new DataRecord.Preference(
        fields.origin(), prompt(fields), one(fields, better), one(fields, worse), margin(fields));
  }

  /** A prompt by the keys that have one: turns (ShareGPT), an instruction (Alpaca), or text. */
  private static PromptText prompt(Fields fields) {
    if (fields.has("instruction")) {
      return RecordParser.instruction(SHAPE, fields);
    }
    var turns = fields.firstOf(TURNS).filter(key -> fields.firstOf(PROMPTS).isEmpty());
    if (turns.isPresent()) {
      List<ChatMessage> said = TurnsParser.turns(fields, turns.get(), fields.read(turns.get()));
      return new PromptText.Chat(SettingParser.around(SHAPE, fields, said));
    }
    return RecordParser.prompt(SHAPE, fields, fields.firstOf(PROMPTS).orElse("prompt"));
  }

  /** Text, or one turn. */
  private static Answer one(Fields fields, String key) {
    JsonNode value = fields.node().get(key);
    if (value == null || !value.isObject()) {
      return Answer.of(fields.text(SHAPE, key));
    }
    ChatMessage turn = TurnsParser.turn(fields, key, value);
    fields.read(key);
    Imitation.refuseMasked(fields, key, value);
    if (!turn.role().equals("assistant")) {
      throw DataException.at(
          fields.origin(),
          "\"" + key + "\" is a turn by " + turn.role() + ", expected the assistant's");
    }
    return Answer.of(turn);
  }

  /** The turns that both share are the prompt; what is left of each must be one answer. */
  private static DataRecord ofTurns(Fields fields) {
    List<ChatMessage> chosen = TurnsParser.turns(fields, "chosen", fields.read("chosen"));
    List<ChatMessage> rejected = TurnsParser.turns(fields, "rejected", fields.read("rejected"));
    int shared = 0;
    int most = Math.min(chosen.size(), rejected.size()) - 1; // the last turn is always an answer
    while (shared < most && chosen.get(shared).equals(rejected.get(shared))) {
      shared++;
    }
    // Without shared turns the answers stand alone and the prompt has a key of its own.
    PromptText prompt =
        shared > 0
            ? shared(fields, chosen.subList(0, shared))
            : new PromptText.Chat(asTurns(prompt(fields)));
    return new DataRecord.Preference(
        fields.origin(),
        prompt,
        answer(fields, chosen, shared, "chosen"),
        answer(fields, rejected, shared, "rejected"),
        margin(fields));
  }

  /** A prompt beside turns that begin with it says the same once more, or it is not clear. */
  private static PromptText shared(Fields fields, List<ChatMessage> turns) {
    var key = fields.firstOf(PROMPTS);
    if (key.isPresent()) {
      JsonNode value = fields.read(key.get());
      ChatMessage last = turns.get(turns.size() - 1);
      boolean turnsToo = value != null && value.isArray();
      boolean same =
          turnsToo
              ? TurnsParser.turns(fields, key.get(), value).equals(turns)
              : value != null && value.asText().strip().equals(last.content().strip());
      if (!same) {
        throw DataException.at(
            fields.origin(),
            "\""
                + key.get()
                + "\" is other than the turns that \"chosen\" and \"rejected\" begin with; leave it"
                + " out, or name it in the source's ignore");
      }
    }
    return new PromptText.Chat(SettingParser.around(SHAPE, fields, turns));
  }

  /** A prompt as the user's turn, unless it is turns already. */
  static Conversation asTurns(PromptText prompt) {
    if (prompt instanceof PromptText.Plain plain) {
      return plain.setting().conversation(List.of(new ChatMessage("user", plain.text())));
    }
    if (prompt instanceof PromptText.Instruction instruction) {
      return asTurns(instruction);
    }
    return ((PromptText.Chat) prompt).conversation();
  }

  /** An instruction as the user's turn, its input behind it. */
  static Conversation asTurns(PromptText.Instruction instruction) {
    List<String> parts = new ArrayList<>(List.of(instruction.instruction()));
    if (!instruction.input().isEmpty()) {
      parts.add(instruction.input());
    }
    return instruction
        .setting()
        .conversation(List.of(new ChatMessage("user", String.join("\n\n", parts))));
  }

  private static Answer answer(Fields fields, List<ChatMessage> turns, int from, String key) {
    ChatMessage last = turns.get(turns.size() - 1);
    if (turns.size() != from + 1 || !last.role().equals("assistant")) {
      throw DataException.at(
          fields.origin(),
          "\""
              + key
              + "\" has "
              + (turns.size() - from)
              + " turns that the other side does not share, the last by "
              + last.role()
              + "; expected the two sides to differ in one last assistant's turn");
    }
    return Answer.of(last);
  }

  private static double margin(Fields fields) {
    JsonNode margin = fields.read("margin");
    return margin == null || Fields.isEmpty(margin) ? 0 : fields.number("margin", margin);
  }
}
