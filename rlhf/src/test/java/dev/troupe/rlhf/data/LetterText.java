package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.Collectors;

/**
 * A tokenizer of one token per character, for tests: ids are the characters', 1 begins and 2 ends a
 * sequence. Its template writes {@code <user>hi</s>\n}, with "</s>" the end of sequence, tools
 * before all and a turn's reasoning_content in brackets; it knows nothing else.
 */
record LetterText(boolean hasChatTemplate, boolean begins, int contextLength) implements Text {
  private static final String END = "</s>";

  @Override
  public TokenIds encode(String text) {
    return new TokenIds(text.chars().toArray());
  }

  @Override
  public TokenIds encodeRendered(String text) {
    return encode(text.replace(END, "\u0002"));
  }

  @Override
  public String decode(TokenIds tokens) {
    StringBuilder text = new StringBuilder();
    for (int token : tokens.values()) {
      text.append(token > 2 ? String.valueOf((char) token) : "");
    }
    return text.toString();
  }

  @Override
  public List<String> pieces(TokenIds tokens) {
    return Arrays.stream(tokens.values())
        .mapToObj(token -> token == 2 ? END : String.valueOf((char) token))
        .toList();
  }

  @Override
  public String render(Conversation conversation, boolean addGenerationPrompt) {
    List<ChatMessage> messages = conversation.messages();
    if (messages.stream().anyMatch(message -> message.role().equals("tool"))) {
      throw new IllegalArgumentException("no tools here");
    }
    Object tools = conversation.variables().get("tools");
    return (tools == null ? "" : "<tools>" + tools + END + "\n")
        + messages.stream()
            .map(message -> "<" + message.role() + ">" + written(message) + END + "\n")
            .collect(Collectors.joining())
        + (addGenerationPrompt ? "<assistant>" : "");
  }

  @Override
  public List<Part> renderParts(Conversation conversation) {
    List<Part> parts = new ArrayList<>();
    if (conversation.variables().containsKey("tools")) {
      parts.add(new Part(render(conversation.first(0), false), false, -1));
    }
    for (int i = 0; i < conversation.messages().size(); i++) {
      ChatMessage message = conversation.messages().get(i);
      String opening = "<" + message.role() + ">";
      boolean said = message.role().equals("assistant");
      parts.add(
          new Part(said ? opening : render(new Conversation(List.of(message)), false), false, -1));
      if (said) {
        parts.add(new Part(written(message) + END, true, i));
        parts.add(new Part("\n", false, -1));
      }
    }
    return parts;
  }

  private static String written(ChatMessage message) {
    Object thought = message.fields().get("reasoning_content");
    return (thought == null ? "" : "(" + thought + ")") + message.content();
  }

  @Override
  public OptionalInt beginOfSequence() {
    return begins ? OptionalInt.of(1) : OptionalInt.empty();
  }

  @Override
  public int endOfSequence() {
    return 2;
  }
}
