package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
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
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Makes examples of records: tokens under the length policy. */
public final class Tokenization {
  private final Text text;
  private final DataConfig.Format format;
  private final Lengths lengths;
  private final Reading reading;
  private final String stage;
  private final String list;
  private final Optional<Offered> offered;

  public Tokenization(Text text, DataConfig.Format format, Lengths lengths) {
    this(text, format, lengths, Reading.unwatched(), "", "", Optional.empty());
  }

  private Tokenization(
      Text text,
      DataConfig.Format format,
      Lengths lengths,
      Reading reading,
      String stage,
      String list,
      Optional<Offered> offered) {
    this.offered = offered;
    this.text = text;
    this.format = format;
    this.lengths = lengths;
    this.reading = reading;
    this.stage = stage;
    this.list = list;
  }

  /** As configured. */
  public static Tokenization of(Text text, DataConfig config, Reading reading) {
    return new Tokenization(
        text, config.format(), Lengths.of(config, text), reading, "", "", Optional.empty());
  }

  /**
   * The same for a stage.
   *
   * @param list of the configuration that its records come from, such as data.sft; errors name both
   */
  public Tokenization of(String stage, String list) {
    return new Tokenization(text, format, lengths, reading, stage, list, offered);
  }

  /**
   * The same for prompts that are answered in an environment: all go through the chat template.
   *
   * @param tools that it offers; empty for none beside those of the data
   * @param refusal why later turns cannot be written with what a prompt gives the template beside
   *     tools; empty where they can
   */
  public Tokenization offering(
      List<Map<String, @Nullable Object>> tools,
      Function<Map<String, @Nullable Object>, Optional<String>> refusal) {
    return new Tokenization(
        text, format, lengths, reading, stage, list, Optional.of(new Offered(tools, refusal)));
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
    return all("answers", records, Judgements::labelled);
  }

  /** Answers with a score each, which belongs to their last token. */
  public Tokenized<ScoredExample> scored(List<DataRecord.Judged> records) {
    return all("answers", records, Judgements::scored);
  }

  /**
   * Answers in steps, whose labels belong to the last token of each.
   *
   * @param separator behind each step, part of it
   */
  public Tokenized<ScoredExample> steps(List<DataRecord.Judged> records, String separator) {
    return all(
        "answers", records, (record, work) -> Judgements.steps(record, text, separator, work));
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
          PromptText given = promptOf(record);
          PromptText asked =
              offered.<PromptText>map(it -> it.to(given, format, record.origin())).orElse(given);
          Segments.EncodedPrompt prompt = work.segments().prompt(asked, record.origin());
          int size = prompt.tokens().size();
          work.longest(size);
          if (size > reserving.maxPromptTokens() && work.dropping()) {
            return Optional.empty();
          }
          return Optional.of(
                  work.cutPrompt(prompt.tokens(), reserving.maxPromptTokens(), record.origin()))
              .map(
                  tokens ->
                      new Prompt(
                          id(record.origin(), seen),
                          tokens.size() == size ? prompt.text() : text.decode(tokens),
                          tokens,
                          record instanceof DataRecord.Task task ? task.answer() : Optional.empty(),
                          record instanceof DataRecord.Task task ? task.metadata() : Map.of(),
                          offered.isPresent()
                              ? Offered.variables(Segments.turns(asked))
                              : Map.of()));
        });
  }

  /** Without directories: a prompt's random numbers follow from its id, wherever its file lies. */
  private static String id(Origin origin, Map<String, Integer> seen) {
    String name = origin.file().substring(origin.file().lastIndexOf('/') + 1);
    String id = name + ":" + origin.line();
    int count = seen.merge(id, 1, Integer::sum);
    return count == 1 ? id : id + "#" + count;
  }

  private Optional<SftExample> sft(DataRecord record, Trained trained, Pass work) {
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
          : dialogue(work.segments().dialogue(dialogue, trained), trained, work);
    }
    if (record instanceof DataRecord.PlainText plain) {
      return plain.desirable()
          ? plainText(work.segments().plainText(plain.text()), work)
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
      PromptText prompt, Answer answer, Origin origin, Trained trained, Pass work) {
    return work.said(prompt, answer, origin)
        .map(
            said ->
                new SftExample(
                    Sequence.ofTargets(
                        said.prompt().concat(said.answer()),
                        trained == Trained.ALL ? 1 : said.prompt().size())));
  }

  private Optional<SftExample> dialogue(Marked whole, Trained trained, Pass work) {
    work.longest(whole.tokens().size());
    Marked marked = whole;
    if (whole.tokens().size() > lengths.maxTokens()) {
      if (work.dropping()) {
        return Optional.empty();
      }
      work.truncate();
      marked = whole.lastOf(lengths.maxTokens(), work.begins(whole.tokens()));
    }
    TokenIds reads = reads(marked, trained);
    return Optional.of(new SftExample(new Sequence(marked.tokens(), reads)))
        .filter(example -> example.sequence().reads().size() > 0);
  }

  /** Text without parts loses its end. */
  private Optional<SftExample> plainText(Marked whole, Pass work) {
    TokenIds tokens = whole.tokens();
    work.longest(tokens.size());
    if (tokens.size() > lengths.maxTokens()) {
      if (work.dropping()) {
        return Optional.empty();
      }
      tokens = work.cutEnd(tokens, lengths.maxTokens());
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

  private Optional<TokenPair> pair(DataRecord.Preference record, Pass work) {
    if (record.better().isEmpty()) {
      return work.without(LengthReport.EMPTY);
    }
    Origin origin = record.origin();
    TokenIds prompt = work.segments().prompt(record.prompt(), origin).tokens();
    TokenIds chosen = work.segments().answer(record.prompt(), record.better(), origin);
    TokenIds rejected = work.segments().answer(record.prompt(), record.worse(), origin);
    TokenIds longer = chosen.size() > rejected.size() ? chosen : rejected;
    work.longest(prompt.size() + longer.size());
    if (work.tooLong(prompt, longer)) {
      return Optional.empty();
    }
    TokenIds head = work.cutPrompt(prompt, work.promptLimit(longer.size()), origin);
    TokenIds better = work.cutAnswer(chosen, head);
    TokenIds worse = work.cutAnswer(rejected, head);
    return better.equals(worse)
        ? work.without(LengthReport.SAME)
        : Optional.of(new TokenPair(head, better, worse, record.margin()));
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
    Optional<T> make(R record, Pass work);
  }

  private <R extends DataRecord, T> Tokenized<T> all(
      String what, List<R> records, Maker<R, T> maker) {
    Pass work = new Pass(text, format, lengths);
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
                  work.report(0).longest(),
                  work.report(0).leftOut()));
    }
    return new Tokenized<>(examples, work.report(examples.size()), notices(what, work.segments()));
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
}
