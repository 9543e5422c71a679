package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.troupe.protocol.data.ChatMessage;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a record says of the right answer to its prompt, and all else it says. */
final class TaskParser {
  /** The first of these with text, a number or a truth value. */
  private static final List<String> ANSWERS =
      List.of("answer", "ground_truth", "target", "solution");

  /** GSM8K (Cobbe et al. 2021): a worked answer's last line is the number behind this mark. */
  private static final String MARK = "####";

  /** A right answer may be a number in one record and text in the next. */
  private static final Set<Shape> WITH_ANSWERS =
      Set.of(Shape.PROMPT, Shape.QUESTION_ANSWER, Shape.PROMPT_COMPLETION);

  private TaskParser() {}

  /** Whether records of both shapes may stand in one file of tasks. */
  static boolean alike(Shape one, Shape other) {
    return WITH_ANSWERS.contains(one) && WITH_ANSWERS.contains(other);
  }

  /**
   * A record with its answer and metadata.
   *
   * @param fields that {@code record} was made of
   */
  static DataRecord.Task task(DataRecord record, Fields fields) {
    Optional<String> answer =
        answer(record, fields)
            .filter(text -> !wrong(record).filter(text::equals).isPresent())
            .map(TaskParser::marked);
    Map<String, @Nullable Object> metadata = new LinkedHashMap<>();
    fields.keep().forEach((name, value) -> metadata.put(name, JsonValues.plain(value)));
    return new DataRecord.Task(record, answer.filter(text -> !text.isBlank()), metadata);
  }

  private static Optional<String> answer(DataRecord record, Fields fields) {
    for (String key : ANSWERS) {
      JsonNode value = fields.node().get(key);
      if (value != null && (value.isTextual() || value.isNumber() || value.isBoolean())) {
        fields.read(key);
        return Optional.of(value.asText());
      }
    }
    JsonNode answer = fields.node().get("answer");
    if (answer != null && fields.unread().contains("answer")) {
      throw fields.wrong("answer", answer, "text or a number: what is right");
    }
    if (record instanceof DataRecord.Completion completion) {
      return Optional.of(completion.completion());
    }
    if (record instanceof DataRecord.Dialogue dialogue) {
      List<ChatMessage> turns = dialogue.messages();
      ChatMessage last = turns.get(turns.size() - 1);
      return dialogue.desirable() && dialogue.learns(turns.size() - 1)
          ? Optional.of(last.content())
          : Optional.empty();
    }
    return Optional.empty();
  }

  /** A reply that the record itself calls bad: nothing to hold others to. */
  private static Optional<String> wrong(DataRecord record) {
    return record instanceof DataRecord.Completion completion && !completion.desirable()
        ? Optional.of(completion.completion())
        : Optional.empty();
  }

  private static String marked(String text) {
    String whole = text.strip();
    String lastLine = whole.substring(whole.lastIndexOf('\n') + 1).strip();
    String behind = lastLine.startsWith(MARK) ? lastLine.substring(MARK.length()).strip() : "";
    return behind.isEmpty() ? whole : behind;
  }
}
