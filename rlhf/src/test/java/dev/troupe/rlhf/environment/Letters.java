package dev.troupe.rlhf.environment;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.port.Conversation;
import dev.troupe.rlhf.port.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A tokenizer of one token per character; {@code $} ends a turn. Its template writes {@code
 * user:hi$\n}, tools before all by their names, calls as {@code !name} behind what is said, and
 * what a tool answers as the user's. The variable {@code opening} stands behind the opening of a
 * turn to be said, and {@code single} refuses further turns.
 *
 * @param tools whether it knows of them
 * @param severalCalls whether a turn may have more than one
 * @param chatTemplate by whose marks calls are read; Hermes' where none is given
 */
record Letters(boolean tools, int contextLength, boolean severalCalls, String chatTemplate)
    implements Text {
  static final int END = '$';

  Letters(boolean tools, int contextLength) {
    this(tools, contextLength, true);
  }

  Letters(boolean tools, int contextLength, boolean severalCalls) {
    this(tools, contextLength, severalCalls, "<tool_call>");
  }

  @Override
  public TokenIds encode(String text) {
    return new TokenIds(text.chars().toArray());
  }

  @Override
  public TokenIds encodeRendered(String text) {
    return encode(text);
  }

  @Override
  public String decode(TokenIds tokens) {
    return Arrays.stream(tokens.values())
        .filter(token -> token != END)
        .mapToObj(token -> String.valueOf((char) token))
        .collect(Collectors.joining());
  }

  @Override
  public List<String> pieces(TokenIds tokens) {
    return Arrays.stream(tokens.values()).mapToObj(it -> String.valueOf((char) it)).toList();
  }

  @Override
  public boolean hasChatTemplate() {
    return true;
  }

  @Override
  public String render(Conversation conversation, boolean addGenerationPrompt) {
    return renderParts(conversation).stream().map(Part::text).collect(Collectors.joining())
        + (addGenerationPrompt ? "bot:" + opening(conversation) : "");
  }

  private static Object opening(Conversation conversation) {
    return conversation.variables().getOrDefault("opening", "");
  }

  @Override
  public List<Part> renderParts(Conversation conversation) {
    List<Part> parts = new ArrayList<>();
    if (conversation.variables().containsKey("single") && conversation.messages().size() > 1) {
      throw new IllegalArgumentException("one message alone");
    }
    Object offered = conversation.variables().get("tools");
    if (tools && offered instanceof List<?> list) {
      parts.add(new Part("[" + list + "]", false, -1));
    }
    List<ChatMessage> messages = conversation.messages();
    for (int i = 0; i < messages.size(); i++) {
      ChatMessage message = messages.get(i);
      if (message.role().equals("assistant")) {
        parts.add(new Part("bot:", false, -1));
        Object calls = message.fields().get("tool_calls");
        if (!severalCalls && calls instanceof List<?> list && list.size() > 1) {
          throw new IllegalArgumentException("single tool-calls at once");
        }
        String called =
            tools && calls instanceof List<?> list
                ? list.stream()
                    .map(call -> "!" + ((Map<?, ?>) call).get("id"))
                    .collect(Collectors.joining())
                : "";
        parts.add(new Part(message.content() + called + "$", true, i));
        parts.add(new Part("\n", false, -1));
      } else {
        if (message.content().contains("{{")) {
          throw new IllegalArgumentException("no braces here");
        }
        String role = message.role().equals("tool") ? "tool" : "user";
        parts.add(
            new Part(
                !tools && role.equals("tool") ? "" : role + ":" + message.content() + "$\n",
                false,
                -1));
      }
    }
    return parts;
  }

  @Override
  public OptionalInt beginOfSequence() {
    return OptionalInt.empty();
  }

  @Override
  public int endOfSequence() {
    return END;
  }

  @Override
  public Set<Integer> endTokens() {
    return Set.of(END, (int) '~');
  }
}
