package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Records as tokens, before any limit on length. A prompt and its answer are tokenized apart, so
 * that training sees a prompt exactly as generation will.
 */
final class Segments {
  private final Text text;
  private final DataConfig.Format format;
  private final Map<String, Count> unwritten = new TreeMap<>();
  private int templated;
  private int plain;
  private int unanswered;

  Segments(Text text, DataConfig.Format format) {
    this.text = text;
    this.format = format;
  }

  /**
   * Tokens and which of them an assistant said.
   *
   * @param said one per token
   */
  record Marked(TokenIds tokens, boolean[] said) {
    /**
     * No more tokens than this: the last answer stays whole where it fits, and what comes before it
     * loses its beginning. Of an earlier answer without its beginning nothing is learned. An answer
     * that does not fit with one token before it loses its end.
     *
     * @param begins whether the first token is a beginning of sequence, which stays
     */
    Marked lastOf(int limit, boolean begins) {
      int end = said.length;
      while (end > 0 && !said[end - 1]) {
        end--;
      }
      int answer = end;
      while (answer > 0 && said[answer - 1]) {
        answer--;
      }
      int from = Math.max(0, Math.min(said.length - limit, answer - 1));
      int[] kept = Arrays.copyOfRange(tokens.values(), from, from + limit);
      boolean[] marks = Arrays.copyOfRange(said, from, from + limit);
      for (int i = 0; from > 0 && from + i < answer && marks[i]; i++) {
        marks[i] = false;
      }
      if (begins) {
        kept[0] = tokens.get(0);
        marks[0] = false;
      }
      return new Marked(new TokenIds(kept), marks);
    }
  }

  /** A prompt as a person reads it and as tokens. */
  record EncodedPrompt(String text, TokenIds tokens) {}

  EncodedPrompt prompt(PromptText prompt, Origin origin) {
    if (throughTemplate(prompt, origin)) {
      templated++;
      Conversation turns = turns(prompt);
      String rendered = render(turns, true, origin);
      countUnwritten(turns, origin);
      return new EncodedPrompt(rendered, text.encodeRendered(rendered));
    }
    this.plain++;
    String plain = plain(prompt);
    return new EncodedPrompt(plain, withBeginning(text.encode(plain)));
  }

  /** An answer's tokens, closed by the end of sequence. */
  TokenIds answer(PromptText prompt, Answer answer, Origin origin) {
    if (!throughTemplate(prompt, origin)) {
      if (!answer.fields().isEmpty()) {
        throw needsTemplate(origin, "its answer has " + answer.fields().keySet());
      }
      return text.encode(answer.text()).concat(TokenIds.of(text.endOfSequence()));
    }
    Conversation turns = turns(prompt);
    String before = render(turns, true, origin);
    if (!answer.fields().isEmpty()) {
      countUnwritten(turns.with(answer.message()), turns.messages().size(), origin);
    }
    List<Text.Part> parts = parts(turns.with(answer.message()), origin);
    String last = parts.get(parts.size() - 1).text();
    String whole = parts.stream().map(Text.Part::text).collect(Collectors.joining());
    if (!whole.equals(before + last)) {
      throw DataException.at(
          origin,
          "the chat template writes the dialogue before an answer otherwise than as a prompt, so"
              + " what the answer adds can't be told; use a template that only appends");
    }
    return closed(cutAtTheEnd(following(text.encodeRendered(before), before, last)));
  }

  /** Text without parts: all of it is said. */
  Marked plainText(String plain) {
    TokenIds tokens = withBeginning(text.encode(plain)).concat(TokenIds.of(text.endOfSequence()));
    boolean[] said = new boolean[tokens.size()];
    Arrays.fill(said, true);
    return new Marked(tokens, said);
  }

  /** A dialogue up to its last assistant's turn, of which every assistant's turn is said. */
  Marked dialogue(DataRecord.Dialogue dialogue) {
    Origin origin = dialogue.origin();
    if (format == DataConfig.Format.PLAIN) {
      throw DataException.at(
          origin, "is a list of messages and data.format is plain; set it to auto or chat");
    }
    templated++;
    List<ChatMessage> messages = dialogue.messages();
    int end = messages.size();
    while (end > 0 && !messages.get(end - 1).role().equals("assistant")) {
      end--;
    }
    if (end == 0) {
      throw DataException.at(origin, "has no assistant's turn to learn from");
    }
    TokenIds tokens = TokenIds.EMPTY;
    List<boolean[]> marks = new ArrayList<>();
    StringBuilder written = new StringBuilder();
    unanswered += end < messages.size() ? 1 : 0;
    Conversation learned = dialogue.conversation().first(end);
    List<Text.Part> rendered = parts(learned, origin);
    countUnwritten(learned, origin);
    for (Text.Part part : rendered) {
      TokenIds added = following(tokens, written.toString(), part.text());
      tokens = tokens.concat(added);
      written.append(part.text());
      boolean[] mark = new boolean[added.size()];
      Arrays.fill(mark, part.said());
      marks.add(mark);
    }
    return closed(tokens, joined(marks, tokens.size()));
  }

  /** A dialogue's rendering up to the last that an assistant says: nobody generates the rest. */
  private List<Text.Part> parts(Conversation conversation, Origin origin) {
    List<Text.Part> parts = rendered(origin, () -> text.renderParts(conversation));
    int end = parts.size();
    while (end > 0 && !parts.get(end - 1).said()) {
      end--;
    }
    if (end == 0) {
      throw DataException.at(origin, "the chat template marks nothing of it as an assistant's");
    }
    return parts.subList(0, end);
  }

  /**
   * What a text adds to the tokens of the text before it. Those stay as they are, since generation
   * has seen them so; where that leaves a choice, all of it is tokenized together, so that a
   * tokenizer that puts a blank before every text does so once.
   */
  private TokenIds following(TokenIds tokens, String before, String more) {
    TokenIds whole = text.encodeRendered(before + more);
    int size = tokens.size();
    boolean kept =
        size <= whole.size() && Arrays.equals(tokens.values(), 0, size, whole.values(), 0, size);
    return kept ? tail(whole, size) : text.encodeRendered(more);
  }

  /** Closed by an end of sequence, unless what was said last has one, perhaps with a line break. */
  private Marked closed(TokenIds tokens, boolean[] said) {
    int begin = said.length;
    while (begin > 0 && said[begin - 1]) {
      begin--;
    }
    if (endOf(tail(tokens, begin)) >= 0) {
      return new Marked(tokens, said);
    }
    TokenIds closed = closed(tokens);
    boolean[] marks = Arrays.copyOf(said, closed.size());
    marks[closed.size() - 1] = true;
    return new Marked(closed, marks);
  }

  private TokenIds closed(TokenIds tokens) {
    int size = tokens.size();
    return size > 0 && tokens.get(size - 1) == text.endOfSequence()
        ? tokens
        : tokens.concat(TokenIds.of(text.endOfSequence()));
  }

  private TokenIds cutAtTheEnd(TokenIds answer) {
    int end = endOf(answer);
    return end < 0 ? answer : new TokenIds(Arrays.copyOf(answer.values(), end + 1));
  }

  /** Where the last end of sequence is, when at most blanks follow it; −1 otherwise. */
  private int endOf(TokenIds tokens) {
    int end = tokens.size() - 1;
    while (end >= 0 && tokens.get(end) != text.endOfSequence()) {
      end--;
    }
    return end >= 0 && text.decode(tail(tokens, end + 1)).isBlank() ? end : -1;
  }

  private static TokenIds tail(TokenIds tokens, int from) {
    return new TokenIds(Arrays.copyOfRange(tokens.values(), from, tokens.size()));
  }

  private static boolean[] joined(List<boolean[]> parts, int size) {
    boolean[] all = new boolean[size];
    int position = 0;
    for (boolean[] part : parts) {
      System.arraycopy(part, 0, all, position, part.length);
      position += part.length;
    }
    return all;
  }

  private boolean throughTemplate(PromptText prompt, Origin origin) {
    boolean chat = prompt instanceof PromptText.Chat;
    if (!chat && format != DataConfig.Format.CHAT && !setting(prompt).isNone()) {
      Setting setting = setting(prompt);
      List<String> names = new ArrayList<>();
      setting.before().forEach(turn -> names.add("a turn by " + turn.role() + " before it"));
      names.addAll(setting.variables().keySet());
      throw needsTemplate(origin, "its prompt has " + String.join(", ", names));
    }
    if (chat && format == DataConfig.Format.PLAIN) {
      throw DataException.at(
          origin, "is a list of messages and data.format is plain; set it to auto or chat");
    }
    return chat || format == DataConfig.Format.CHAT;
  }

  private static Setting setting(PromptText prompt) {
    if (prompt instanceof PromptText.Plain plain) {
      return plain.setting();
    }
    return prompt instanceof PromptText.Instruction instruction
        ? instruction.setting()
        : Setting.NONE;
  }

  private static DataException needsTemplate(Origin origin, String what) {
    return DataException.at(
        origin,
        what
            + ", for which plain text has no place; set data.format = chat to write it by the"
            + " model's chat template, or name what may be left out in the source's ignore");
  }

  /** How many records went through the chat template. */
  int templated() {
    return templated;
  }

  /** How many dialogues had turns behind the last assistant's, which nobody learns. */
  int unanswered() {
    return unanswered;
  }

  /** How many were taken as plain text. */
  int plain() {
    return plain;
  }

  /** In how many records the template wrote nothing of a field, by the field's name. */
  Map<String, Integer> unwritten() {
    Map<String, Integer> counts = new TreeMap<>();
    unwritten.forEach((field, count) -> counts.put(field, count.records));
    return counts;
  }

  private void countUnwritten(Conversation conversation, Origin origin) {
    countUnwritten(conversation, 0, origin);
  }

  /**
   * Counts the fields without which the template writes the same: of the variables, and of the
   * turns from a given one on.
   */
  private void countUnwritten(Conversation conversation, int from, Origin origin) {
    Set<String> fields = new TreeSet<>();
    List<ChatMessage> messages = conversation.messages();
    messages.subList(from, messages.size()).forEach(turn -> fields.addAll(turn.fields().keySet()));
    fields.remove("content");
    Set<String> variables = from == 0 ? conversation.variables().keySet() : Set.of();
    if (fields.isEmpty() && variables.isEmpty()) {
      return;
    }
    for (String field : fields) {
      if (writesTheSame(conversation, conversation.withoutField(field))) {
        unwritten.computeIfAbsent(field + " of a turn", name -> new Count()).add(origin);
      }
    }
    for (String variable : variables) {
      if (writesTheSame(conversation, conversation.withoutVariable(variable))) {
        unwritten.computeIfAbsent(variable, name -> new Count()).add(origin);
      }
    }
  }

  /** Counts records, each once however often it is met in a row. */
  private static final class Count {
    private int records;
    private @Nullable Origin last;

    private void add(Origin origin) {
      records += origin.equals(last) ? 0 : 1;
      last = origin;
    }
  }

  private boolean writesTheSame(Conversation whole, Conversation without) {
    try {
      return text.render(without, false).equals(text.render(whole, false))
          && text.render(without, true).equals(text.render(whole, true));
    } catch (RuntimeException e) { // a template that needs the field uses it
      return false;
    }
  }

  private String render(Conversation turns, boolean addGenerationPrompt, Origin origin) {
    return rendered(origin, () -> text.render(turns, addGenerationPrompt));
  }

  private <T> T rendered(Origin origin, Supplier<T> rendering) {
    if (!text.hasChatTemplate()) {
      throw DataException.at(
          origin,
          "needs a chat template and the model brings none (tokenizer_config.json has no"
              + " chat_template); use a model with one, or plain prompts and answers with"
              + " data.format = plain");
    }
    try {
      return rendering.get();
    } catch (RuntimeException e) { // templates refuse what they don't know, such as a role
      throw new DataException(
          origin + ": the model's chat template can't write it: " + e.getMessage(), e);
    }
  }

  private TokenIds withBeginning(TokenIds tokens) {
    return text.beginOfSequence().isPresent()
        ? TokenIds.of(text.beginOfSequence().getAsInt()).concat(tokens)
        : tokens;
  }

  private static Conversation turns(PromptText prompt) {
    if (prompt instanceof PromptText.Chat chat) {
      return chat.conversation();
    }
    if (prompt instanceof PromptText.Instruction instruction) {
      return PreferenceParser.asTurns(instruction);
    }
    PromptText.Plain plain = (PromptText.Plain) prompt;
    return plain
        .setting()
        .conversation(
            HhDialogues.isPrompt(plain.text())
                ? HhDialogues.turns(plain.text())
                : List.of(new ChatMessage("user", plain.text())));
  }

  private static String plain(PromptText prompt) {
    if (prompt instanceof PromptText.Instruction instruction) {
      return alpaca(instruction);
    }
    return ((PromptText.Plain) prompt).text();
  }

  /** The wording that Alpaca's models were trained with (tatsu-lab/stanford_alpaca, train.py). */
  private static String alpaca(PromptText.Instruction prompt) {
    boolean alone = prompt.input().isEmpty();
    String context = alone ? "" : ", paired with an input that provides further context";
    String input = alone ? "" : "### Input:\n" + prompt.input() + "\n\n";
    return "Below is an instruction that describes a task"
        + context
        + ". Write a response that appropriately completes the request.\n\n### Instruction:\n"
        + prompt.instruction()
        + "\n\n"
        + input
        + "### Response:";
  }
}
