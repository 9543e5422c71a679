package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What an assistant says to a prompt.
 *
 * @param fields what else its turn has, as in {@link ChatMessage#fields}
 * @param turn whether it was written as a turn, whose text a template gets as it stands
 */
public record Answer(String text, Map<String, @Nullable Object> fields, boolean turn) {
  public Answer {
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** Words alone. */
  static Answer of(String text) {
    return new Answer(text, Map.of(), false);
  }

  static Answer of(ChatMessage turn) {
    return new Answer(turn.content(), turn.fields(), true);
  }

  /** Whether it says nothing, and calls nothing either. */
  boolean isEmpty() {
    return message().content().isEmpty() && beside().isEmpty();
  }

  /** Names of what it has beside its text, for which only a chat template has a place. */
  Set<String> beside() {
    Set<String> names = new LinkedHashSet<>(fields.keySet());
    if (fields.get("content") instanceof List<?>) { // the text, in parts
      names.remove("content");
    }
    return names;
  }

  /** Of plain text the template gets what lies between its blanks. */
  ChatMessage message() {
    return new ChatMessage("assistant", turn ? text : text.strip(), fields);
  }
}
