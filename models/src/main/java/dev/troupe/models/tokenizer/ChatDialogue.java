package dev.troupe.models.tokenizer;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a chat template is given.
 *
 * @param turns the messages
 * @param variables what else it is given, by name and as JSON has it: {@code tools}, {@code
 *     documents}, or a switch of the template's own such as {@code enable_thinking}
 */
public record ChatDialogue(List<ChatTurn> turns, Map<String, @Nullable Object> variables) {
  public ChatDialogue {
    turns = List.copyOf(turns);
    variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
  }

  /** Messages alone. */
  public ChatDialogue(List<ChatTurn> turns) {
    this(turns, Map.of());
  }

  ChatDialogue first(int count) {
    return new ChatDialogue(turns.subList(0, count), variables);
  }
}
