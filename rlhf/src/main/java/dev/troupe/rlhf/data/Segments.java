package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Records as tokens, before any limit on length. A prompt and its answer are tokenized apart, so
 * that training sees a prompt exactly as generation will.
 */
final class Segments {
  private final Text text;
  private final DataConfig.Format format;

  Segments(Text text, DataConfig.Format format) {
    this.text = text;
    this.format = format;
  }

  /**
   * Tokens and which of them an assistant said.
   *
   * @param said one per token
   */
  record Marked(TokenIds tokens, boolean[] said) {}

  /** A prompt as a person reads it and as tokens. */
  record EncodedPrompt(String text, TokenIds tokens) {}

  EncodedPrompt prompt(PromptText prompt, Origin origin) {
    if (throughTemplate(prompt, origin)) {
      String rendered = render(turns(prompt), true, origin);
      return new EncodedPrompt(rendered, text.encodeRendered(rendered));
    }
    String plain = plain(prompt);
    return new EncodedPrompt(plain, withBeginning(text.encode(plain)));
  }

  /** An answer's tokens, closed by the end of sequence. */
  TokenIds answer(PromptText prompt, String answer, Origin origin) {
    if (!throughTemplate(prompt, origin)) {
      return text.encode(answer).concat(TokenIds.of(text.endOfSequence()));
    }
    List<ChatMessage> turns = turns(prompt);
    String before = render(turns, true, origin);
    List<Text.Part> parts =
        parts(with(turns, new ChatMessage("assistant", answer.strip())), origin);
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
    for (Text.Part part : parts(messages.subList(0, end), origin)) {
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
  private List<Text.Part> parts(List<ChatMessage> messages, Origin origin) {
    List<Text.Part> parts = rendered(origin, () -> text.renderParts(messages));
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
    if (chat && format == DataConfig.Format.PLAIN) {
      throw DataException.at(
          origin, "is a list of messages and data.format is plain; set it to auto or chat");
    }
    return chat || format == DataConfig.Format.CHAT;
  }

  private String render(List<ChatMessage> messages, boolean addGenerationPrompt, Origin origin) {
    return rendered(origin, () -> text.render(messages, addGenerationPrompt));
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

  private static List<ChatMessage> with(List<ChatMessage> turns, ChatMessage last) {
    List<ChatMessage> all = new ArrayList<>(turns);
    all.add(last);
    return all;
  }

  private static List<ChatMessage> turns(PromptText prompt) {
    if (prompt instanceof PromptText.Chat chat) {
      return chat.messages();
    }
    if (prompt instanceof PromptText.Instruction instruction) {
      String input = instruction.input();
      String both = instruction.instruction() + (input.isEmpty() ? "" : "\n\n" + input);
      return List.of(new ChatMessage("user", both));
    }
    String plain = ((PromptText.Plain) prompt).text();
    return HhDialogues.isPrompt(plain)
        ? HhDialogues.turns(plain)
        : List.of(new ChatMessage("user", plain));
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
