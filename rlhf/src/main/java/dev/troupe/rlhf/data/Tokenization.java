package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Makes examples of records: tokens under the length policy. */
public final class Tokenization {
  private final Text text;
  private final Lengths lengths;
  private final Segments segments;

  public Tokenization(Text text, DataConfig.Format format, Lengths lengths) {
    this.text = text;
    this.lengths = lengths;
    this.segments = new Segments(text, format);
  }

  /** As configured. */
  public static Tokenization of(Text text, DataConfig config) {
    return new Tokenization(text, config.format(), Lengths.of(config, text));
  }

  /**
   * Texts to imitate. A preference gives its chosen side; a bare prompt is an error.
   *
   * @param trained which tokens the sequences read; text without parts is always read whole
   */
  public Tokenized<SftExample> sft(List<? extends DataRecord> records, Trained trained) {
    return all("texts", records, (record, tally) -> sft(record, trained, tally));
  }

  /** Pairs for a reward model or DPO. */
  public Tokenized<TokenPair> pairs(List<DataRecord.Preference> records) {
    return all("pairs", records, this::pair);
  }

  /**
   * Prompts to answer, taken from records of any shape. Its id is where it came from.
   *
   * @param newTokens room to leave in the model's context for the answer
   */
  public Tokenized<Prompt> prompts(List<? extends DataRecord> records, int newTokens) {
    Lengths reserving = lengths.reserving(newTokens);
    Map<String, Integer> seen = new HashMap<>();
    return all(
        "prompts",
        records,
        (record, tally) -> {
          Segments.EncodedPrompt prompt = segments.prompt(promptOf(record), record.origin());
          int size = prompt.tokens().size();
          tally.longest(size);
          return cutPrompt(prompt.tokens(), reserving, tally, record.origin())
              .map(
                  tokens ->
                      new Prompt(
                          id(record.origin(), seen),
                          tokens.size() == size ? prompt.text() : text.decode(tokens),
                          tokens));
        });
  }

  /** Without directories: a prompt's random numbers follow from its id, wherever its file lies. */
  private static String id(Origin origin, Map<String, Integer> seen) {
    String name = origin.file().substring(origin.file().lastIndexOf('/') + 1);
    String id = name + ":" + origin.line();
    int count = seen.merge(id, 1, Integer::sum);
    return count == 1 ? id : id + "#" + count;
  }

  private Optional<SftExample> sft(DataRecord record, Trained trained, Tally tally) {
    if (record instanceof DataRecord.Completion completion) {
      return completion(
          completion.prompt(), completion.completion(), record.origin(), trained, tally);
    }
    if (record instanceof DataRecord.Preference pair) {
      return completion(pair.prompt(), pair.chosen(), record.origin(), trained, tally);
    }
    if (record instanceof DataRecord.Dialogue dialogue) {
      return marked(segments.dialogue(dialogue), trained, tally);
    }
    if (record instanceof DataRecord.PlainText plain) {
      return marked(segments.plainText(plain.text()), Trained.ALL, tally);
    }
    throw DataException.at(
        record.origin(),
        "is a prompt without an answer and can't be imitated; expected for instance "
            + Shape.PROMPT_COMPLETION.layout());
  }

  private Optional<SftExample> completion(
      PromptText prompt, String answer, Origin origin, Trained trained, Tally tally) {
    TokenIds asked = segments.prompt(prompt, origin).tokens();
    TokenIds said = segments.answer(prompt, answer, origin);
    tally.longest(asked.size() + said.size());
    Optional<TokenIds> kept = cutPrompt(asked, lengths, tally, origin);
    return kept.flatMap(
        head ->
            cutEnd(said, lengths.maxTokens() - head.size(), tally)
                .map(
                    tail ->
                        new SftExample(
                            Sequence.ofTargets(
                                head.concat(tail), trained == Trained.ALL ? 1 : head.size()))));
  }

  private Optional<SftExample> marked(Segments.Marked marked, Trained trained, Tally tally) {
    tally.longest(marked.tokens().size());
    return cutEnd(marked.tokens(), lengths.maxTokens(), tally)
        .map(tokens -> new SftExample(new Sequence(tokens, reads(tokens, marked.said(), trained))))
        .filter(example -> example.sequence().reads().size() > 0);
  }

  /** The position before each token that is trained. */
  private static TokenIds reads(TokenIds tokens, boolean[] said, Trained trained) {
    int[] reads = new int[tokens.size()];
    int count = 0;
    for (int t = 1; t < tokens.size(); t++) {
      if (trained == Trained.ALL || said[t]) {
        reads[count++] = t - 1;
      }
    }
    return new TokenIds(Arrays.copyOf(reads, count));
  }

  private Optional<TokenPair> pair(DataRecord.Preference record, Tally tally) {
    Origin origin = record.origin();
    TokenIds prompt = segments.prompt(record.prompt(), origin).tokens();
    TokenIds chosen = segments.answer(record.prompt(), record.chosen(), origin);
    TokenIds rejected = segments.answer(record.prompt(), record.rejected(), origin);
    tally.longest(prompt.size() + Math.max(chosen.size(), rejected.size()));
    Optional<TokenIds> head = cutPrompt(prompt, lengths, tally, origin);
    if (head.isEmpty()) {
      return Optional.empty();
    }
    int room = lengths.maxTokens() - head.get().size();
    Optional<TokenIds> better = cutEnd(chosen, room, tally);
    Optional<TokenIds> worse = cutEnd(rejected, room, tally);
    return better.isPresent() && worse.isPresent()
        ? Optional.of(new TokenPair(head.get(), better.get(), worse.get(), record.margin()))
        : Optional.empty();
  }

  private Optional<TokenIds> cutPrompt(
      TokenIds prompt, Lengths limits, Tally tally, Origin origin) {
    int limit = limits.maxPromptTokens();
    if (prompt.size() == 0) {
      throw DataException.at(
          origin, "the prompt is empty and the tokenizer adds no beginning of sequence to it");
    }
    if (prompt.size() <= limit) {
      return Optional.of(prompt);
    }
    if (limits.tooLong() == DataConfig.TooLong.DROP) {
      return Optional.empty();
    }
    tally.truncate();
    int[] kept = Arrays.copyOfRange(prompt.values(), prompt.size() - limit, prompt.size());
    if (text.beginOfSequence().isPresent() && prompt.get(0) == text.beginOfSequence().getAsInt()) {
      kept[0] = prompt.get(0); // what every sequence begins with stays
    }
    return Optional.of(new TokenIds(kept));
  }

  private Optional<TokenIds> cutEnd(TokenIds tokens, int limit, Tally tally) {
    if (tokens.size() <= limit) {
      return Optional.of(tokens);
    }
    if (lengths.tooLong() == DataConfig.TooLong.DROP || limit < 1) {
      return Optional.empty();
    }
    tally.truncate();
    return Optional.of(new TokenIds(Arrays.copyOf(tokens.values(), limit)));
  }

  private static PromptText promptOf(DataRecord record) {
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
    List<ChatMessage> turns = ((DataRecord.Dialogue) record).messages();
    int end = turns.size();
    while (end > 0 && turns.get(end - 1).role().equals("assistant")) {
      end--;
    }
    if (end == 0) {
      throw DataException.at(record.origin(), "has no turn before the assistant's to answer");
    }
    return new PromptText.Chat(turns.subList(0, end));
  }

  /** Turns a record into an example, or into nothing when it is too long. */
  private interface Maker<R, T> {
    Optional<T> make(R record, Tally tally);
  }

  private <R extends DataRecord, T> Tokenized<T> all(
      String what, List<R> records, Maker<R, T> maker) {
    Tally tally = new Tally();
    List<T> examples = new ArrayList<>();
    int dropped = 0;
    for (R record : records) {
      tally.begin();
      Optional<T> example = maker.make(record, tally);
      example.ifPresent(examples::add);
      tally.end(example.isPresent());
      dropped += example.isPresent() ? 0 : 1;
    }
    if (examples.isEmpty()) {
      throw new DataException(
          "none of "
              + records.size()
              + " "
              + what
              + " fits the length policy (prompts of at most "
              + lengths.maxPromptTokens()
              + " tokens, "
              + lengths.maxTokens()
              + " in all; the longest has "
              + tally.longest
              + "): raise data.max-tokens or data.max-prompt-tokens, or set data.too-long ="
              + " truncate");
    }
    return new Tokenized<>(
        examples, new LengthReport(examples.size(), tally.truncated, dropped, tally.longest));
  }

  /** Counts what is cut. */
  private static final class Tally {
    private int truncated;
    private int longest;
    private boolean cut;

    private void begin() {
      cut = false;
    }

    private void truncate() {
      cut = true;
    }

    private void longest(int tokens) {
      longest = Math.max(longest, tokens);
    }

    private void end(boolean kept) {
      truncated += kept && cut ? 1 : 0;
    }
  }
}
