package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Conversation;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a record has around its prompt. Only a chat template can write it.
 *
 * @param before turns before the prompt: a system's, and those of a history
 * @param variables what else the template is given: tools, documents, its own switches
 */
public record Setting(List<ChatMessage> before, Map<String, @Nullable Object> variables) {
  /** Nothing around the prompt. */
  public static final Setting NONE = new Setting(List.of(), Map.of());

  public Setting {
    before = List.copyOf(before);
    variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
  }

  /** With the prompt's own turns. */
  Conversation conversation(List<ChatMessage> turns) {
    List<ChatMessage> all = new ArrayList<>(before);
    all.addAll(turns);
    return new Conversation(all, variables);
  }

  boolean isNone() {
    return before.isEmpty() && variables.isEmpty();
  }
}
