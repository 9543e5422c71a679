package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.ScoredExample;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import dev.troupe.rlhf.port.TextException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** Makes examples of records: tokens under the length policy. */
public final class Tokenization {
  private final Text text;
  private final DataConfig.Format format;
  private final Lengths lengths;
  private final Reading reading;
  private final String stage;
  private final String list;

  public Tokenization(Text text, DataConfig.Format format, Lengths lengths) {
    this(text, format, lengths, Reading.unwatched(), "", "");
  }

  private Tokenization(
      Text text,
      DataConfig.Format format,
      Lengths lengths,
      Reading reading,
      String stage,
      String list) {
    this.text = text;
    this.format = format;
    this.lengths = lengths;
    this.reading = reading;
    this.stage = stage;
    this.list = list;
  }

  /** As configured. */
  public static Tokenization of(Text text, DataConfig config, Reading reading) {
    return new Tokenization(text, config.format(), Lengths.of(config, text), reading, "", "");
  }

  /**
   * The same for a stage.
   *
   * @param list of the configuration that its records come from, such as data.sft; errors name both
   */
  public Tokenization of(String stage, String list) {
    return new Tokenization(text, format, lengths, reading, stage, list);
  }

  /**
   * Texts to imitate. A preference gives its chosen side; a bare prompt is an error.
   *
   * @param trained which tokens the sequences read; text without parts is always read whole
   */
  public Tokenized<SftExample> sft(List<? extends DataRecord> records, Trained trained) {
    return all("texts", records, (record, work) -> sft(record, trained, work));
  }

  /** Pairs for a reward model or DPO. */
  public Tokenized<TokenPair> pairs(List<DataRecord.Preference> records) {
    return all("pairs", records, this::pair);
  }

  /** Answers found good or bad, for KTO. */
  public Tokenized<JudgedAnswer> judged(List<DataRecord.Judged> records) {
    return all(
        "answers",
        records,
        (record, work) -> {
          boolean good =
              record
                  .good()
                  .orElseThrow(
                      () -> lacking(record, "\"label\": true or false, whether it is a good one"));
          // A good one that is not to be learned is marked so by more than its label.
          return good && isMasked(record.record())
              ? work.without(LengthReport.MASKED)
              : answered(record, work)
                  .map(said -> new JudgedAnswer(said.prompt(), said.answer(), good));
        });
  }

  /** Answers with a score each, which belongs to their last token. */
  public Tokenized<ScoredExample> scored(List<DataRecord.Judged> records) {
    return all(
        "answers",
        records,
        (record, work) -> {
          double score = record.score().orElseThrow(() -> lacking(record, "\"score\": a number"));
          return answered(record, work)
              .map(
                  said ->
                      new ScoredExample(
                          Sequence.ofLast(said.prompt().concat(said.answer())),
                          Floats.of((float) score)));
        });
  }

  /**
   * Answers in steps, whose labels belong to the last token of each.
   *
   * @param separator behind each step, part of it
   */
  public Tokenized<ScoredExample> steps(List<DataRecord.Judged> records, String separator) {
    return all("answers", records, (record, work) -> steps(record, separator, work));
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

  private Optional<ScoredExample> steps(DataRecord.Judged record, String separator, Work work) {
    if (!(record.record() instanceof DataRecord.Steps answer)) {
      throw DataException.at(
          record.origin(), "has no steps with a label each; expected " + Shape.STEPWISE.layout());
    }
    TokenIds between = text.encode(separator);
    TokenIds said = TokenIds.of();
    List<Integer> ends = new ArrayList<>();
    for (String step : answer.steps()) {
      said = said.concat(text.encode(step)).concat(between);
      ends.add(said.size() - 1);
    }
    TokenIds asked = work.segments.prompt(answer.prompt(), answer.origin()).tokens();
    work.longest(asked.size() + said.size());
    if (tooLong(asked, said)) {
      return Optional.empty();
    }
    TokenIds head = cutPrompt(asked, promptLimit(said.size()), work, answer.origin());
    TokenIds tail = cutAnswer(said, head, work);
    int[] reads =
        ends.stream().filter(end -> end < tail.size()).mapToInt(end -> head.size() + end).toArray();
    float[] labels = new float[reads.length];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = answer.labels().get(i).floatValue();
    }
    return reads.length == 0
        ? Optional.empty()
        : Optional.of(
            new ScoredExample(
                new Sequence(head.concat(tail), new TokenIds(reads)), new Floats(labels)));
  }

  /** A prompt and its answer, within the length policy. */
  private record Said(TokenIds prompt, TokenIds answer) {}

  private Optional<Said> answered(DataRecord.Judged judged, Work work) {
    if (judged.record() instanceof DataRecord.Completion completion) {
      return said(completion.prompt(), completion.answer(), judged.origin(), work);
    }
    if (judged.record() instanceof DataRecord.Dialogue dialogue) {
      List<ChatMessage> turns = dialogue.messages();
      int last = turns.size() - 1;
      boolean single = dialogue.prompt() == 0 || dialogue.prompt() == last;
      if (last > 0 && single && turns.get(last).role().equals("assistant")) {
        return !dialogue.learns(last)
            ? work.without(LengthReport.MASKED)
            : said(
                new PromptText.Chat(dialogue.conversation().first(last)),
                Answer.of(turns.get(last)),
                judged.origin(),
                work);
      }
    }
    throw DataException.at(
        judged.origin(),
        "has no single answer to a prompt that a label or a score could be of; expected for"
            + " instance "
            + Shape.PROMPT_COMPLETION.layout()
            + ", or messages whose last is the assistant's");
  }

  /**
   * Prompts to answer, taken from records of any shape; a task's with its answer and metadata. A
   * prompt's id is where it came from.
   *
   * @param newTokens room to leave in the model's context for the answer
   */
  public Tokenized<Prompt> prompts(List<? extends DataRecord> records, int newTokens) {
    Lengths reserving = lengths.reserving(newTokens);
    Map<String, Integer> seen = new HashMap<>();
    return all(
        "prompts",
        records,
        (record, work) -> {
          Segments.EncodedPrompt prompt = work.segments.prompt(promptOf(record), record.origin());
          int size = prompt.tokens().size();
          work.longest(size);
          if (size > reserving.maxPromptTokens() && dropping()) {
            return Optional.empty();
          }
          return Optional.of(
                  cutPrompt(prompt.tokens(), reserving.maxPromptTokens(), work, record.origin()))
              .map(
                  tokens ->
                      new Prompt(
                          id(record.origin(), seen),
                          tokens.size() == size ? prompt.text() : text.decode(tokens),
                          tokens,
                          record instanceof DataRecord.Task task ? task.answer() : Optional.empty(),
                          record instanceof DataRecord.Task task ? task.metadata() : Map.of()));
        });
  }

  /** Without directories: a prompt's random numbers follow from its id, wherever its file lies. */
  private static String id(Origin origin, Map<String, Integer> seen) {
    String name = origin.file().substring(origin.file().lastIndexOf('/') + 1);
    String id = name + ":" + origin.line();
    int count = seen.merge(id, 1, Integer::sum);
    return count == 1 ? id : id + "#" + count;
  }

  private boolean dropping() {
    return lengths.tooLong() == DataConfig.TooLong.DROP;
  }

  private Optional<SftExample> sft(DataRecord record, Trained trained, Work work) {
    if (record instanceof DataRecord.Completion completion) {
      return completion.desirable()
          ? completion(completion.prompt(), completion.answer(), record.origin(), trained, work)
          : work.without(LengthReport.UNDESIRABLE);
    }
    if (record instanceof DataRecord.Preference pair) {
      return completion(pair.prompt(), pair.better(), record.origin(), trained, work);
    }
    if (record instanceof DataRecord.Dialogue dialogue) {
      if (!dialogue.desirable()) {
        return work.without(LengthReport.UNDESIRABLE);
      }
      if (learnsNothing(dialogue)) {
        return work.without(LengthReport.MASKED);
      }
      return saysNothing(dialogue)
          ? work.without(LengthReport.EMPTY)
          : dialogue(work.segments.dialogue(dialogue, trained), trained, work);
    }
    if (record instanceof DataRecord.PlainText plain) {
      return plain.desirable()
          ? plainText(work.segments.plainText(plain.text()), work)
          : work.without(LengthReport.UNDESIRABLE);
    }
    throw DataException.at(
        record.origin(),
        (record instanceof DataRecord.Steps
                ? "is an answer in steps with labels"
                : "is a prompt without an answer")
            + " and can't be imitated; expected for instance "
            + Shape.PROMPT_COMPLETION.layout());
  }

  /** Whether each of its answers is marked as not to be learned. */
  private static boolean learnsNothing(DataRecord.Dialogue dialogue) {
    return !dialogue.masked().isEmpty()
        && IntStream.range(0, dialogue.messages().size()).noneMatch(dialogue::learns);
  }

  private static boolean saysNothing(DataRecord.Dialogue dialogue) {
    return IntStream.range(0, dialogue.messages().size())
        .filter(dialogue::learns)
        .anyMatch(turn -> Answer.of(dialogue.messages().get(turn)).isEmpty());
  }

  private Optional<SftExample> completion(
      PromptText prompt, Answer answer, Origin origin, Trained trained, Work work) {
    return said(prompt, answer, origin, work)
        .map(
            said ->
                new SftExample(
                    Sequence.ofTargets(
                        said.prompt().concat(said.answer()),
                        trained == Trained.ALL ? 1 : said.prompt().size())));
  }

  private Optional<Said> said(PromptText prompt, Answer answer, Origin origin, Work work) {
    if (answer.isEmpty()) {
      return work.without(LengthReport.EMPTY);
    }
    TokenIds asked = work.segments.prompt(prompt, origin).tokens();
    TokenIds said = work.segments.answer(prompt, answer, origin);
    work.longest(asked.size() + said.size());
    if (tooLong(asked, said)) {
      return Optional.empty();
    }
    TokenIds head = cutPrompt(asked, promptLimit(said.size()), work, origin);
    return Optional.of(new Said(head, cutAnswer(said, head, work)));
  }

  /** Whether the length policy leaves it out. */
  private boolean tooLong(TokenIds asked, TokenIds said) {
    return dropping()
        && (asked.size() > lengths.maxPromptTokens()
            || asked.size() + said.size() > lengths.maxTokens());
  }

  /** What an answer leaves of the room: the prompt gives way first, down to one token. */
  private int promptLimit(int answer) {
    return Math.max(1, Math.min(lengths.maxPromptTokens(), lengths.maxTokens() - answer));
  }

  private Optional<SftExample> dialogue(Marked whole, Trained trained, Work work) {
    work.longest(whole.tokens().size());
    Marked marked = whole;
    if (whole.tokens().size() > lengths.maxTokens()) {
      if (dropping()) {
        return Optional.empty();
      }
      work.truncate();
      marked = whole.lastOf(lengths.maxTokens(), begins(whole.tokens()));
    }
    TokenIds reads = reads(marked, trained);
    return Optional.of(new SftExample(new Sequence(marked.tokens(), reads)))
        .filter(example -> example.sequence().reads().size() > 0);
  }

  /** Text without parts loses its end. */
  private Optional<SftExample> plainText(Marked whole, Work work) {
    TokenIds tokens = whole.tokens();
    work.longest(tokens.size());
    if (tokens.size() > lengths.maxTokens()) {
      if (dropping()) {
        return Optional.empty();
      }
      tokens = cutEnd(tokens, lengths.maxTokens(), work);
    }
    TokenIds reads = reads(Marked.said(tokens), Trained.ALL);
    return Optional.of(new SftExample(new Sequence(tokens, reads)))
        .filter(example -> example.sequence().reads().size() > 0);
  }

  /** The position before each token that is trained. */
  private static TokenIds reads(Marked marked, Trained trained) {
    int[] reads = new int[marked.tokens().size()];
    int count = 0;
    for (int t = 1; t < reads.length; t++) {
      if (trained == Trained.ALL ? !marked.masked()[t] : marked.said()[t]) {
        reads[count++] = t - 1;
      }
    }
    return new TokenIds(Arrays.copyOf(reads, count));
  }

  private Optional<TokenPair> pair(DataRecord.Preference record, Work work) {
    if (record.better().isEmpty()) {
      return work.without(LengthReport.EMPTY);
    }
    Origin origin = record.origin();
    TokenIds prompt = work.segments.prompt(record.prompt(), origin).tokens();
    TokenIds chosen = work.segments.answer(record.prompt(), record.better(), origin);
    TokenIds rejected = work.segments.answer(record.prompt(), record.worse(), origin);
    TokenIds longer = chosen.size() > rejected.size() ? chosen : rejected;
    work.longest(prompt.size() + longer.size());
    if (tooLong(prompt, longer)) {
      return Optional.empty();
    }
    TokenIds head = cutPrompt(prompt, promptLimit(longer.size()), work, origin);
    TokenIds better = cutAnswer(chosen, head, work);
    TokenIds worse = cutAnswer(rejected, head, work);
    return better.equals(worse)
        ? work.without(LengthReport.SAME)
        : Optional.of(new TokenPair(head, better, worse, record.margin()));
  }

  /** The prompt's end; what every sequence begins with stays. */
  private TokenIds cutPrompt(TokenIds prompt, int limit, Work work, Origin origin) {
    if (prompt.size() == 0) {
      throw DataException.at(
          origin, "the prompt is empty and the tokenizer adds no beginning of sequence to it");
    }
    if (prompt.size() <= limit) {
      return prompt;
    }
    work.truncate();
    int[] kept = Arrays.copyOfRange(prompt.values(), prompt.size() - limit, prompt.size());
    if (begins(prompt)) {
      kept[0] = prompt.get(0);
    }
    return new TokenIds(kept);
  }

  private boolean begins(TokenIds tokens) {
    return text.beginOfSequence().isPresent()
        && tokens.size() > 0
        && tokens.get(0) == text.beginOfSequence().getAsInt();
  }

  /** The answer's beginning, as much as the prompt leaves room for. */
  private TokenIds cutAnswer(TokenIds answer, TokenIds prompt, Work work) {
    return cutEnd(answer, lengths.maxTokens() - prompt.size(), work);
  }

  private static TokenIds cutEnd(TokenIds tokens, int limit, Work work) {
    if (tokens.size() <= limit) {
      return tokens;
    }
    work.truncate();
    return new TokenIds(Arrays.copyOf(tokens.values(), limit));
  }

  private static PromptText promptOf(DataRecord record) {
    if (record instanceof DataRecord.Task task) {
      return promptOf(task.record());
    }
    if (record instanceof DataRecord.Judged judged) {
      return promptOf(judged.record());
    }
    if (record instanceof DataRecord.Steps steps) {
      return steps.prompt();
    }
    if (record instanceof DataRecord.BarePrompt bare) {
      return bare.prompt();
    }
    if (record instanceof DataRecord.Completion completion) {
      return completion.prompt();
    }
    if (record instanceof DataRecord.Preference pair) {
      return pair.prompt();
    }
    if (record instanceof DataRecord.PlainText plain) {
      return new PromptText.Plain(plain.text());
    }
    DataRecord.Dialogue dialogue = (DataRecord.Dialogue) record;
    Conversation conversation = dialogue.conversation();
    List<ChatMessage> turns = conversation.messages();
    int end = dialogue.prompt() > 0 ? dialogue.prompt() : turns.size();
    while (end > 0 && turns.get(end - 1).role().equals("assistant")) {
      end--;
    }
    if (end == 0) {
      throw DataException.at(record.origin(), "has no turn before the assistant's to answer");
    }
    return new PromptText.Chat(conversation.first(end));
  }

  /** Turns a record into an example, or into nothing when it is left out. */
  private interface Maker<R, T> {
    Optional<T> make(R record, Work work);
  }

  private <R extends DataRecord, T> Tokenized<T> all(
      String what, List<R> records, Maker<R, T> maker) {
    Work work = new Work(new Segments(text, format));
    List<T> examples = new ArrayList<>();
    for (int i = 0; i < records.size(); i++) {
      reading.tick("tokenizing", i, what);
      work.begin();
      Optional<T> example;
      try {
        example = maker.make(records.get(i), work);
      } catch (TextException e) {
        throw DataException.at(records.get(i).origin(), e.getMessage());
      }
      example.ifPresent(examples::add);
      work.end(example.isPresent());
    }
    if (examples.isEmpty()) {
      throw new DataException(
          (stage.isEmpty() ? "" : stage + ": ")
              + NothingLeft.describe(
                  what + (list.isEmpty() ? "" : " of " + list),
                  records.size(),
                  lengths,
                  work.longest,
                  work.leftOut));
    }
    return new Tokenized<>(
        examples,
        new LengthReport(examples.size(), work.truncated, work.longest, work.leftOut),
        notices(what, work.segments));
  }

  private static List<String> notices(String what, Segments segments) {
    List<String> notices = new ArrayList<>();
    segments
        .unwritten()
        .forEach(
            (field, count) ->
                notices.add(
                    "left unused: "
                        + field
                        + ", of which the model's chat template writes nothing in "
                        + Counted.of(count, "records")));
    if (segments.unanswered() > 0) {
      notices.add(
          "left unused: turns behind the assistant's last one, in "
              + Counted.of(segments.unanswered(), "records"));
    }
    if (segments.others() > 0) {
      notices.add(
          "learned as well: turns that are not the assistant's, within the completions of "
              + Counted.of(segments.others(), "records")
              + "; train-on = assistant learns the assistant's alone");
    }
    if (segments.templated() > 0 && segments.plain() > 0) {
      notices.add(
          "of the "
              + what
              + ", "
              + segments.templated()
              + " went through the chat template and "
              + segments.plain()
              + " are plain text; data.format = chat writes all of them by the template");
    }
    return notices;
  }

  /** A pass over records: counts what is cut and what is left out. */
  private static final class Work {
    private final Segments segments;
    private final Map<String, Integer> leftOut = new TreeMap<>();
    private int truncated;
    private int longest;
    private boolean cut;
    private String reason = LengthReport.TOO_LONG;

    private Work(Segments segments) {
      this.segments = segments;
    }

    private void begin() {
      cut = false;
      reason = LengthReport.TOO_LONG;
    }

    private void truncate() {
      cut = true;
    }

    /** Nothing, and why. */
    private <T> Optional<T> without(String why) {
      reason = why;
      return Optional.empty();
    }

    private void longest(int tokens) {
      longest = Math.max(longest, tokens);
    }

    private void end(boolean kept) {
      if (kept) {
        truncated += cut ? 1 : 0;
      } else {
        leftOut.merge(reason, 1, Integer::sum);
      }
    }
  }
}
