package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Makes examples of answers that were judged one by one. */
final class Judgements {
  private Judgements() {}

  static Optional<JudgedAnswer> labelled(DataRecord.Judged record, Pass work) {
    boolean good =
        record
            .good()
            .orElseThrow(
                () -> lacking(record, "\"label\": true or false, whether it is a good one"));
    // A good one that is not to be learned is marked so by more than its label.
    return good && isMasked(record.record())
        ? work.without(LengthReport.MASKED)
        : answered(record, work).map(said -> new JudgedAnswer(said.prompt(), said.answer(), good));
  }

  /** Its score belongs to its last token. */
  static Optional<ScoredExample> scored(DataRecord.Judged record, Pass work) {
    double score = record.score().orElseThrow(() -> lacking(record, "\"score\": a number"));
    return answered(record, work)
        .map(
            said ->
                new ScoredExample(
                    Sequence.ofLast(said.prompt().concat(said.answer())),
                    Floats.of((float) score)));
  }

  /** The label of each step belongs to its last token; a step that is cut off has none. */
  static Optional<ScoredExample> steps(
      DataRecord.Judged record, Text text, String separator, Pass work) {
    if (!(record.record() instanceof DataRecord.Steps answer)) {
      throw DataException.at(
          record.origin(), "has no steps with a label each; expected " + Shape.STEPWISE.layout());
    }
    TokenIds between = text.encode(separator);
    TokenIds all = TokenIds.of();
    List<Integer> ends = new ArrayList<>();
    for (String step : answer.steps()) {
      all = all.concat(text.encode(step)).concat(between);
      ends.add(all.size() - 1);
    }
    return work.said(answer.prompt(), all, answer.origin())
        .flatMap(said -> steps(answer, said, ends));
  }

  private static Optional<ScoredExample> steps(
      DataRecord.Steps answer, Pass.Said said, List<Integer> ends) {
    int[] reads =
        ends.stream()
            .filter(end -> end < said.answer().size())
            .mapToInt(end -> said.prompt().size() + end)
            .toArray();
    float[] labels = new float[reads.length];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = answer.labels().get(i).floatValue();
    }
    return reads.length == 0
        ? Optional.empty()
        : Optional.of(
            new ScoredExample(
                new Sequence(said.prompt().concat(said.answer()), new TokenIds(reads)),
                new Floats(labels)));
  }

  private static boolean isMasked(DataRecord record) {
    return (record instanceof DataRecord.Completion completion && !completion.desirable())
        || (record instanceof DataRecord.Dialogue dialogue && !dialogue.desirable());
  }

  private static DataException lacking(DataRecord.Judged record, String what) {
    return DataException.at(
        record.origin(),
        "does not say how good its answer is; expected "
            + what
            + ". The source's columns can name the field");
  }

  private static Optional<Pass.Said> answered(DataRecord.Judged judged, Pass work) {
    if (judged.record() instanceof DataRecord.Completion completion) {
      return work.said(completion.prompt(), completion.answer(), judged.origin());
    }
    if (judged.record() instanceof DataRecord.Dialogue dialogue) {
      List<ChatMessage> turns = dialogue.messages();
      int last = turns.size() - 1;
      boolean single = dialogue.prompt() == 0 || dialogue.prompt() == last;
      if (last > 0 && single && turns.get(last).role().equals("assistant")) {
        return dialogue.learns(last)
            ? work.said(
                new PromptText.Chat(dialogue.conversation().first(last)),
                Answer.of(turns.get(last)),
                judged.origin())
            : work.without(LengthReport.MASKED);
      }
    }
    throw DataException.at(
        judged.origin(),
        "has no single answer to a prompt that a label or a score could be of; expected for"
            + " instance "
            + Shape.PROMPT_COMPLETION.layout()
            + ", or messages whose last is the assistant's");
  }
}
