package dev.troupe.rlhf.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What records say of how good their answers are. */
final class JudgedParser {
  private static final String STEPS = "completions";
  private static final String LABELS = "labels";
  private static final String SCORE = "score";

  private JudgedParser() {}

  /**
   * A record with its label.
   *
   * @param fields that {@code record} was made of
   */
  static DataRecord.Judged labelled(DataRecord record, Fields fields) {
    return new DataRecord.Judged(record, Imitation.label(fields), Optional.empty());
  }

  /** A record with its score; a label is left unused. */
  static DataRecord.Judged scored(DataRecord record, Fields fields) {
    Imitation.labels(fields).keySet().forEach(fields::unread);
    return new DataRecord.Judged(record, Optional.empty(), score(fields));
  }

  private static Optional<Double> score(Fields fields) {
    JsonNode score = fields.read(SCORE);
    return score == null || Fields.isEmpty(score)
        ? Optional.empty()
        : Optional.of(fields.number(SCORE, score));
  }

  /** TRL's stepwise supervision. */
  static DataRecord.Steps steps(Fields fields) {
    PromptText prompt = RecordParser.prompt(Shape.STEPWISE, fields, "prompt");
    List<String> steps = new ArrayList<>();
    for (JsonNode step : list(fields, STEPS)) {
      if (!step.isTextual() || step.textValue().isEmpty()) {
        throw DataException.at(
            fields.origin(),
            "step "
                + (steps.size() + 1)
                + " of \"completions\" is "
                + (step.isTextual() ? "empty" : Fields.kind(step))
                + ", expected text");
      }
      steps.add(step.textValue());
    }
    List<Double> labels = new ArrayList<>();
    for (JsonNode label : list(fields, LABELS)) {
      double value =
          label.isBoolean() ? (label.booleanValue() ? 1 : 0) : fields.number(LABELS, label);
      if (value < 0 || value > 1) {
        throw DataException.at(
            fields.origin(),
            "label "
                + (labels.size() + 1)
                + " of \"labels\" is "
                + label
                + ", expected true, false, or a number from 0 to 1: how likely its step is right");
      }
      labels.add(value);
    }
    if (steps.isEmpty() || steps.size() != labels.size()) {
      throw DataException.at(
          fields.origin(),
          "has "
              + steps.size()
              + " steps"
              + " in \"completions\" and "
              + labels.size()
              + " labels"
              + " in \"labels\"; expected a label for each step, and at least one step");
    }
    return new DataRecord.Steps(fields.origin(), prompt, steps, labels);
  }

  private static JsonNode list(Fields fields, String key) {
    JsonNode value = fields.read(key);
    if (value == null) {
      throw fields.lacks(Shape.STEPWISE, key);
    }
    JsonNode list = JsonValues.unwrapped(fields, key, value);
    if (!list.isArray()) {
      throw fields.wrong(key, value, "a list");
    }
    return list;
  }
}
