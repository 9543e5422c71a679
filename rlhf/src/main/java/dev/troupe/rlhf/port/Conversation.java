package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.ChatMessage;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a chat template writes.
 *
 * @param messages the turns
 * @param variables what else the template is given, by name and as JSON has it: {@code tools},
 *     {@code documents}, and switches of its own such as {@code enable_thinking}
 */
public record Conversation(List<ChatMessage> messages, Map<String, @Nullable Object> variables) {
  public Conversation {
    messages = List.copyOf(messages);
    variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
  }

  /** Turns alone. */
  public Conversation(List<ChatMessage> messages) {
    this(messages, Map.of());
  }

  /** With a turn more. */
  public Conversation with(ChatMessage last) {
    List<ChatMessage> all = new ArrayList<>(messages);
    all.add(last);
    return new Conversation(all, variables);
  }

  /** The first turns. */
  public Conversation first(int count) {
    return new Conversation(messages.subList(0, count), variables);
  }

  /** With one field less in every turn. */
  public Conversation withoutField(String field) {
    return new Conversation(
        messages.stream()
            .map(
                turn -> {
                  Map<String, @Nullable Object> fields = new LinkedHashMap<>(turn.fields());
                  fields.remove(field);
                  return new ChatMessage(turn.role(), turn.content(), fields);
                })
            .toList(),
        variables);
  }

  /** With one variable less. */
  public Conversation withoutVariable(String variable) {
    Map<String, @Nullable Object> fewer = new LinkedHashMap<>(variables);
    fewer.remove(variable);
    return new Conversation(messages, fewer);
  }
}
