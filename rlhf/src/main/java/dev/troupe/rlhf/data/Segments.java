package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Records as tokens, before any limit on length. A prompt and its answer are tokenized apart, so
 * that training sees a prompt exactly as generation will.
 */
final class Segments {
  private final Text text;
  private final DataConfig.Format format;
  private final UnwrittenFields unwritten;
  private int templated;
  private int plain;
  private int unanswered;
  private int others;

  Segments(Text text, DataConfig.Format format) {
    this.text = text;
    this.format = format;
    this.unwritten = new UnwrittenFields(text);
  }

  /** A prompt as a person reads it and as tokens. */
  record EncodedPrompt(String text, TokenIds tokens) {}

  EncodedPrompt prompt(PromptText prompt, Origin origin) {
    if (throughTemplate(prompt, origin)) {
      templated++;
      Conversation turns = turns(prompt);
      String rendered = render(turns, true, origin);
      unwritten.count(turns, origin);
      return new EncodedPrompt(rendered, text.encodeRendered(rendered));
    }
    this.plain++;
    String plain = plain(prompt);
    return new EncodedPrompt(plain, withBeginning(text.encode(plain)));
  }

  /** An answer's tokens, closed by the end of sequence. */
  TokenIds answer(PromptText prompt, Answer answer, Origin origin) {
    if (!throughTemplate(prompt, origin)) {
      if (!answer.beside().isEmpty()) {
        throw needsTemplate(origin, "its answer has " + answer.beside());
      }
      return text.encode(answer.text()).concat(TokenIds.of(text.endOfSequence()));
    }
    Conversation turns = turns(prompt);
    String before = render(turns, true, origin);
    if (!answer.fields().isEmpty()) {
      unwritten.count(turns.with(answer.message()), turns.messages().size(), origin);
    }
    List<Text.Part> parts = parts(turns.with(answer.message()), origin);
    String last = parts.get(parts.size() - 1).text();
    String whole = parts.stream().map(Text.Part::text).collect(Collectors.joining());
    if (!whole.equals(before + last)) {
      throw otherwise(origin);
    }
    return closed(cutAtTheEnd(following(text.encodeRendered(before), before, last)));
  }

  /** Text without parts: all of it is said. */
  Marked plainText(String plain) {
    return Marked.said(withBeginning(text.encode(plain)).concat(TokenIds.of(text.endOfSequence())));
  }

  /**
   * A dialogue up to the last turn that is learned. Every assistant's turn is said, but for those
   * of a prompt and those that are masked; of a completion in turns, all of it is, see {@link
   * Trained}.
   */
  Marked dialogue(DataRecord.Dialogue dialogue, Trained trained) {
    Origin origin = dialogue.origin();
    if (format == DataConfig.Format.PLAIN) {
      throw DataException.at(
          origin, "is a list of messages and data.format is plain; set it to auto or chat");
    }
    templated++;
    List<ChatMessage> messages = dialogue.messages();
    int end = messages.size();
    while (end > 0 && !dialogue.learns(end - 1)) {
      end--;
    }
    if (end == 0) {
      throw DataException.at(origin, "has no assistant's turn to learn from");
    }
    TokenIds tokens = TokenIds.EMPTY;
    List<boolean[]> marks = new ArrayList<>();
    List<boolean[]> hidden = new ArrayList<>();
    StringBuilder written = new StringBuilder();
    unanswered += end < messages.size() ? 1 : 0;
    Conversation learned = dialogue.conversation().first(end);
    List<Text.Part> rendered = parts(learned, origin);
    unwritten.count(learned, origin);
    boolean whole = learnsWholeCompletion(dialogue, end, trained);
    int begin = whole ? completionBegins(dialogue, rendered) : 0;
    others += whole && speakOthers(dialogue, end) ? 1 : 0;
    for (Text.Part part : split(rendered, begin)) {
      TokenIds added = following(tokens, written.toString(), part.text());
      tokens = tokens.concat(added);
      boolean behind = whole && written.length() >= begin;
      written.append(part.text());
      boolean learns = part.said() ? learns(dialogue, part) : behind;
      marks.add(filled(added.size(), learns));
      hidden.add(filled(added.size(), part.said() && dialogue.masked().contains(part.turn())));
    }
    int size = tokens.size();
    return closed(new Marked(tokens, joined(marks, size), joined(hidden, size)));
  }

  private static boolean[] filled(int size, boolean value) {
    boolean[] all = new boolean[size];
    Arrays.fill(all, value);
    return all;
  }

  /** Whether what an assistant says here is learned. */
  private static boolean learns(DataRecord.Dialogue dialogue, Text.Part part) {
    if (dialogue.prompt() == 0 && dialogue.masked().isEmpty()) {
      return true;
    }
    if (part.turn() < 0) {
      throw DataException.at(
          dialogue.origin(),
          "not all of the assistant's turns are to be learned, and which is which can't be told from"
              + " the chat template, as it writes them outside of a loop over the messages");
    }
    return dialogue.learns(part.turn());
  }

  /** A mark on a turn that is not the assistant's takes what others say out, too. */
  private static boolean learnsWholeCompletion(
      DataRecord.Dialogue dialogue, int end, Trained trained) {
    return trained == Trained.COMPLETION
        && dialogue.prompt() > 0
        && dialogue.masked().stream()
            .allMatch(
                turn -> turn >= end || dialogue.messages().get(turn).role().equals("assistant"));
  }

  private static boolean speakOthers(DataRecord.Dialogue dialogue, int end) {
    return dialogue.messages().subList(dialogue.prompt(), end).stream()
        .anyMatch(turn -> !turn.role().equals("assistant"));
  }

  /** Length of the text before a completion in turns, with the opening of the assistant's. */
  private int completionBegins(DataRecord.Dialogue dialogue, List<Text.Part> parts) {
    int asked = dialogue.prompt();
    boolean opened = dialogue.messages().get(asked).role().equals("assistant");
    String before = render(dialogue.conversation().first(asked), opened, dialogue.origin());
    String whole = parts.stream().map(Text.Part::text).collect(Collectors.joining());
    if (!whole.startsWith(before)) {
      throw otherwise(dialogue.origin());
    }
    return before.length();
  }

  /** With a part that goes beyond a place in the text cut there. */
  private static List<Text.Part> split(List<Text.Part> parts, int at) {
    List<Text.Part> split = new ArrayList<>();
    int begin = 0;
    for (Text.Part part : parts) {
      int cut = at - begin;
      begin += part.text().length();
      if (cut > 0 && at < begin) {
        split.add(new Text.Part(part.text().substring(0, cut), part.said(), part.turn()));
        split.add(new Text.Part(part.text().substring(cut), part.said(), part.turn()));
      } else {
        split.add(part);
      }
    }
    return split;
  }

  private static DataException otherwise(Origin origin) {
    return DataException.at(
        origin,
        "the chat template writes the dialogue before an answer otherwise than as a prompt, so"
            + " what the answer adds can't be told; use a template that only appends");
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
  private Marked closed(Marked marked) {
    int begin = marked.said().length;
    while (begin > 0 && marked.said()[begin - 1]) {
      begin--;
    }
    if (endOf(tail(marked.tokens(), begin)) >= 0) {
      return marked;
    }
    TokenIds closed = closed(marked.tokens());
    boolean[] marks = Arrays.copyOf(marked.said(), closed.size());
    marks[closed.size() - 1] = true;
    return new Marked(closed, marks, Arrays.copyOf(marked.masked(), closed.size()));
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

  /** Of how many completions turns of others are learned, too. */
  int others() {
    return others;
  }

  /** How many were taken as plain text. */
  int plain() {
    return plain;
  }

  /** In how many records the template wrote nothing of a field, by the field's name. */
  Map<String, Integer> unwritten() {
    return unwritten.records();
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

  static Conversation turns(PromptText prompt) {
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
