package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Conversation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** From one JSON value to records. */
final class RecordParser {
  private static final List<String> PROMPTS = List.of("prompt", "query", "input");
  private static final List<String> COMPLETIONS = List.of("completion", "response", "output");
  private static final List<String> ANSWERS = List.of("answer", "response", "completion", "output");
  private static final List<String> INPUTS = List.of("input", "context", "query");
  private static final List<String> OUTPUTS = List.of("output", "response");
  private static final List<String> TURNS = List.of("conversations", "messages");

  private RecordParser() {}

  /** The shape whose keys a value has. */
  static Shape recognise(JsonNode node, Origin origin) {
    if (node.isTextual()) {
      return Shape.PROMPT;
    }
    Fields fields = new Fields(node, origin);
    if (fields.has("chosen") && fields.has("rejected")) {
      boolean dialogues =
          fields.firstOf(List.of("prompt", "question", "query", "instruction", "input")).isEmpty()
              && fields.firstOf(TURNS).isEmpty()
              && node.get("chosen").isTextual()
              && node.get("rejected").isTextual();
      return dialogues ? Shape.HH : Shape.PREFERENCE;
    }
    if (fields.has("response_j") && fields.has("response_k")) {
      return Shape.PREFERENCE;
    }
    if (fields.firstOf(TURNS).isPresent()) {
      return Shape.MESSAGES;
    }
    if (fields.has("instruction")) {
      if (fields.has("instances")) {
        return Shape.SELF_INSTRUCT;
      }
      if (fields.firstOf(OUTPUTS).isPresent()) {
        return Shape.ALPACA;
      }
    }
    if (node.path("completions").isArray() && node.path("labels").isArray()) {
      return Shape.STEPWISE;
    }
    if (fields.has("prompt") && fields.firstOf(COMPLETIONS).isPresent()) {
      return Shape.PROMPT_COMPLETION;
    }
    if (fields.has("question")) {
      // A number is what is right, not something said.
      boolean said =
          fields.firstOf(ANSWERS).filter(key -> !fields.node().get(key).isNumber()).isPresent();
      return said ? Shape.QUESTION_ANSWER : Shape.PROMPT;
    }
    if (fields.firstOf(PROMPTS).isPresent() && fields.firstOf(COMPLETIONS).isPresent()) {
      return Shape.PROMPT_COMPLETION;
    }
    if (fields.has("prompt")) {
      return Shape.PROMPT;
    }
    if (fields.has("text")) {
      return Shape.TEXT;
    }
    throw DataException.at(
        origin,
        Fields.found(node)
            + ", which is no known shape of record; the source's columns can name which key is"
            + " which. Known shapes:"
            + Arrays.stream(Shape.values())
                .filter(shape -> shape != Shape.AUTO)
                .map(shape -> "\n  " + shape.key() + ": " + shape.layout())
                .collect(Collectors.joining()));
  }

  /** The records of one value: several for a Self-Instruct task, else one. */
  static List<DataRecord> parse(Shape shape, Fields fields) {
    Origin origin = fields.origin();
    SettingParser.refuseMedia(fields);
    return switch (shape) {
      case AUTO -> parse(recognise(fields.node(), origin), fields);
      case PROMPT_COMPLETION -> List.of(completion(shape, fields, PROMPTS, COMPLETIONS));
      case QUESTION_ANSWER -> List.of(completion(shape, fields, List.of("question"), ANSWERS));
      case ALPACA -> List.of(alpaca(fields));
      case SELF_INSTRUCT -> selfInstruct(fields);
      case MESSAGES -> List.of(dialogue(fields));
      case PREFERENCE -> List.of(PreferenceParser.parse(fields));
      case STEPWISE -> List.of(JudgedParser.steps(fields));
      case HH ->
          List.of(
              HhDialogues.parse(
                  origin, fields.text(shape, "chosen"), fields.text(shape, "rejected")));
      case PROMPT -> List.of(new DataRecord.BarePrompt(origin, barePrompt(fields)));
      case TEXT ->
          List.of(
              new DataRecord.PlainText(
                  origin, fields.text(shape, "text"), Imitation.desirable(fields)));
    };
  }

  /** Text, or turns, with what stands around them. */
  static PromptText prompt(Shape shape, Fields fields, String key) {
    JsonNode value = fields.node().get(key);
    if (value != null && value.isArray()) {
      List<ChatMessage> turns = TurnsParser.turns(fields, key, fields.read(key));
      return new PromptText.Chat(SettingParser.around(shape, fields, turns));
    }
    return new PromptText.Plain(fields.text(shape, key), SettingParser.setting(shape, fields));
  }

  /** An instruction and what it is about, with what stands around them. */
  static PromptText instruction(Shape shape, Fields fields) {
    String input = fields.firstOf(INPUTS).map(key -> fields.text(shape, key)).orElse("");
    return new PromptText.Instruction(
        fields.text(shape, "instruction"), input, SettingParser.setting(shape, fields));
  }

  private static DataRecord completion(
      Shape shape, Fields fields, List<String> prompts, List<String> answers) {
    String promptKey = fields.firstOf(prompts).orElse(prompts.get(0));
    String answerKey = fields.firstOf(answers).orElse(answers.get(0));
    PromptText prompt = prompt(shape, fields, promptKey);
    boolean desirable = Imitation.desirable(fields);
    JsonNode answer = fields.node().get(answerKey);
    if (answer == null || !answer.isArray()) {
      Answer said = Answer.of(fields.text(shape, answerKey));
      return new DataRecord.Completion(fields.origin(), prompt, said, desirable);
    }
    // TRL's conversational form: the answer is a list of turns, most often of one.
    List<ChatMessage> turns = TurnsParser.turns(fields, answerKey, fields.read(answerKey));
    Set<Integer> masked = Imitation.masked(fields, answerKey, answer);
    if (turns.size() == 1 && turns.get(0).role().equals("assistant") && masked.isEmpty()) {
      return new DataRecord.Completion(fields.origin(), prompt, Answer.of(turns.get(0)), desirable);
    }
    Conversation conversation = PreferenceParser.asTurns(prompt);
    int asked = conversation.messages().size();
    for (ChatMessage turn : turns) {
      conversation = conversation.with(turn);
    }
    return new DataRecord.Dialogue(
        fields.origin(), conversation, asked, Imitation.shifted(masked, asked), desirable);
  }

  private static DataRecord alpaca(Fields fields) {
    String output = fields.firstOf(OUTPUTS).orElse("output");
    return new DataRecord.Completion(
        fields.origin(),
        instruction(Shape.ALPACA, fields),
        Answer.of(fields.text(Shape.ALPACA, output)),
        Imitation.desirable(fields));
  }

  private static List<DataRecord> selfInstruct(Fields fields) {
    Origin origin = fields.origin();
    String instruction = fields.text(Shape.SELF_INSTRUCT, "instruction");
    Setting setting = SettingParser.setting(Shape.SELF_INSTRUCT, fields);
    JsonNode instances = fields.read("instances");
    if (instances == null || !instances.isArray() || instances.isEmpty()) {
      throw DataException.at(
          origin,
          Fields.found(fields.node())
              + ", expected \"instances\" to be a list of one or more inputs and outputs");
    }
    boolean desirable = Imitation.desirable(fields);
    List<DataRecord> records = new ArrayList<>();
    for (JsonNode node : instances) {
      Fields instance = new Fields(node, origin);
      String input = instance.optionalText(Shape.SELF_INSTRUCT, "input");
      records.add(
          new DataRecord.Completion(
              origin,
              new PromptText.Instruction(instruction, input, setting),
              Answer.of(instance.text(Shape.SELF_INSTRUCT, "output")),
              Imitation.desirable(instance) && desirable));
      instance.unread().forEach(name -> fields.unread("instances[]." + name));
    }
    return records;
  }

  private static DataRecord dialogue(Fields fields) {
    String key = fields.firstOf(TURNS).orElse("messages");
    JsonNode turns = fields.read(key);
    if (turns == null) {
      throw fields.lacks(Shape.MESSAGES, key);
    }
    List<ChatMessage> said = TurnsParser.turns(fields, key, turns);
    Conversation conversation = SettingParser.around(Shape.MESSAGES, fields, said);
    int before = conversation.messages().size() - said.size();
    return new DataRecord.Dialogue(
        fields.origin(),
        conversation,
        0,
        Imitation.shifted(Imitation.masked(fields, key, turns), before),
        Imitation.desirable(fields));
  }

  private static PromptText barePrompt(Fields fields) {
    if (fields.node().isTextual()) {
      return new PromptText.Plain(fields.node().textValue());
    }
    String key = fields.firstOf(List.of("prompt", "question", "query", "input")).orElse("prompt");
    return prompt(Shape.PROMPT, fields, key);
  }
}
