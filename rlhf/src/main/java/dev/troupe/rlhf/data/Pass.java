package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Text;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** A pass over records: fits them into the length policy, and counts what is cut or left out. */
final class Pass {
  private final Segments segments;
  private final Text text;
  private final Lengths lengths;
  private final Map<String, Integer> leftOut = new TreeMap<>();
  private int truncated;
  private int longest;
  private boolean cut;
  private String reason = LengthReport.TOO_LONG;

  Pass(Text text, DataConfig.Format format, Lengths lengths) {
    this.segments = new Segments(text, format);
    this.text = text;
    this.lengths = lengths;
  }

  Segments segments() {
    return segments;
  }

  /** What became of the records so far. */
  LengthReport report(int kept) {
    return new LengthReport(kept, truncated, longest, leftOut);
  }

  /** The next record. */
  void begin() {
    cut = false;
    reason = LengthReport.TOO_LONG;
  }

  /** The record is done with. */
  void end(boolean kept) {
    if (kept) {
      truncated += cut ? 1 : 0;
    } else {
      leftOut.merge(reason, 1, Integer::sum);
    }
  }

  void truncate() {
    cut = true;
  }

  /** Nothing, and why. */
  <T> Optional<T> without(String why) {
    reason = why;
    return Optional.empty();
  }

  void longest(int tokens) {
    longest = Math.max(longest, tokens);
  }

  boolean dropping() {
    return lengths.tooLong() == DataConfig.TooLong.DROP;
  }

  /** A prompt and its answer, within the length policy. */
  record Said(TokenIds prompt, TokenIds answer) {}

  /** The two as tokens, or nothing where the answer is empty or they are too long. */
  Optional<Said> said(PromptText prompt, Answer answer, Origin origin) {
    return answer.isEmpty()
        ? without(LengthReport.EMPTY)
        : said(prompt, segments.answer(prompt, answer, origin), origin);
  }

  /** The same of an answer that is tokens already. */
  Optional<Said> said(PromptText prompt, TokenIds answer, Origin origin) {
    TokenIds asked = segments.prompt(prompt, origin).tokens();
    longest(asked.size() + answer.size());
    if (tooLong(asked, answer)) {
      return Optional.empty();
    }
    TokenIds head = cutPrompt(asked, promptLimit(answer.size()), origin);
    return Optional.of(new Said(head, cutAnswer(answer, head)));
  }

  /** Whether the length policy leaves it out. */
  boolean tooLong(TokenIds asked, TokenIds said) {
    return dropping()
        && (asked.size() > lengths.maxPromptTokens()
            || asked.size() + said.size() > lengths.maxTokens());
  }

  /** What an answer leaves of the room: the prompt gives way first, down to one token. */
  int promptLimit(int answer) {
    return Math.max(1, Math.min(lengths.maxPromptTokens(), lengths.maxTokens() - answer));
  }

  /** The prompt's end; what every sequence begins with stays. */
  TokenIds cutPrompt(TokenIds prompt, int limit, Origin origin) {
    if (prompt.size() == 0) {
      throw DataException.at(
          origin, "the prompt is empty and the tokenizer adds no beginning of sequence to it");
    }
    if (prompt.size() <= limit) {
      return prompt;
    }
    truncate();
    int[] kept = Arrays.copyOfRange(prompt.values(), prompt.size() - limit, prompt.size());
    if (begins(prompt)) {
      kept[0] = prompt.get(0);
    }
    return new TokenIds(kept);
  }

  boolean begins(TokenIds tokens) {
    return text.beginOfSequence().isPresent()
        && tokens.size() > 0
        && tokens.get(0) == text.beginOfSequence().getAsInt();
  }

  /** The answer's beginning, as much as the prompt leaves room for. */
  TokenIds cutAnswer(TokenIds answer, TokenIds prompt) {
    return cutEnd(answer, lengths.maxTokens() - prompt.size());
  }

  TokenIds cutEnd(TokenIds tokens, int limit) {
    if (tokens.size() <= limit) {
      return tokens;
    }
    truncate();
    return new TokenIds(Arrays.copyOf(tokens.values(), limit));
  }
}
