package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

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
    String after = render(with(turns, new ChatMessage("assistant", answer.strip())), false, origin);
    return closed(text.encodeRendered(rest(before, after, origin)));
  }

  /** Text without parts: all of it is said. */
  Marked plainText(String plain) {
    TokenIds tokens = withBeginning(text.encode(plain)).concat(TokenIds.of(text.endOfSequence()));
    boolean[] said = new boolean[tokens.size()];
    Arrays.fill(said, true);
    return new Marked(tokens, said);
  }

  /** A dialogue, rendered turn by turn to see which text each assistant's turn adds. */
  Marked dialogue(DataRecord.Dialogue dialogue) {
    Origin origin = dialogue.origin();
    if (format == DataConfig.Format.PLAIN) {
      throw DataException.at(
          origin, "is a list of messages and data.format is plain; set it to auto or chat");
    }
    List<ChatMessage> messages = dialogue.messages();
    TokenIds tokens = TokenIds.EMPTY;
    List<boolean[]> marks = new ArrayList<>();
    String done = "";
    for (int i = 0; i < messages.size(); i++) {
      if (messages.get(i).role().equals("assistant")) {
        String before = render(messages.subList(0, i), true, origin);
        String after = render(messages.subList(0, i + 1), false, origin);
        TokenIds asked = text.encodeRendered(rest(done, before, origin));
        TokenIds said = text.encodeRendered(rest(before, after, origin));
        tokens = tokens.concat(asked).concat(said);
        marks.add(new boolean[asked.size()]);
        marks.add(saidUpToTheEnd(said));
        done = after;
      }
    }
    if (marks.isEmpty()) {
      throw DataException.at(origin, "has no assistant's turn to learn from");
    }
    return closed(tokens, joined(marks, tokens.size()));
  }

  /** What a template adds after an end of sequence, such as a line break, nobody generates. */
  private boolean[] saidUpToTheEnd(TokenIds turn) {
    boolean[] said = new boolean[turn.size()];
    int end = lastEnd(turn);
    Arrays.fill(said, 0, end < 0 ? turn.size() : end + 1, true);
    return said;
  }

  private Marked closed(TokenIds tokens, boolean[] said) {
    TokenIds closed = closed(tokens);
    boolean[] marks = Arrays.copyOf(said, closed.size());
    marks[closed.size() - 1] = true;
    return new Marked(closed, marks);
  }

  /** Cut after the last end of sequence, or ended by one when the template has none. */
  private TokenIds closed(TokenIds tokens) {
    int end = lastEnd(tokens);
    // An end of sequence followed by more than a line break belongs to an earlier turn.
    return end >= 0 && text.decode(tail(tokens, end + 1)).isBlank()
        ? new TokenIds(Arrays.copyOf(tokens.values(), end + 1))
        : tokens.concat(TokenIds.of(text.endOfSequence()));
  }

  private int lastEnd(TokenIds tokens) {
    int end = tokens.size() - 1;
    while (end >= 0 && tokens.get(end) != text.endOfSequence()) {
      end--;
    }
    return end;
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
    if (!text.hasChatTemplate()) {
      throw DataException.at(
          origin,
          "needs a chat template and the model brings none (tokenizer_config.json has no"
              + " chat_template); use a model with one, or plain prompts and answers with"
              + " data.format = plain");
    }
    try {
      return text.render(messages, addGenerationPrompt);
    } catch (RuntimeException e) { // templates refuse what they don't know, such as a role
      throw new DataException(
          origin + ": the model's chat template can't write it: " + e.getMessage(), e);
    }
  }

  private static String rest(String before, String after, Origin origin) {
    if (!after.startsWith(before)) {
      throw DataException.at(
          origin,
          "the chat template changes earlier turns when one is added, so which tokens are the"
              + " assistant's can't be told; use a template that only appends");
    }
    return after.substring(before.length());
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
