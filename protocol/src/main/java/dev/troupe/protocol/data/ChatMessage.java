package dev.troupe.protocol.data;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One turn of a dialogue.
 *
 * @param role system, user, assistant or tool
 * @param content what is said; empty when it is {@code null} in the data, as beside tool calls
 * @param fields what else the turn has, by name, as JSON has it (text, numbers, booleans, null,
 *     lists and maps): {@code tool_calls}, {@code reasoning_content} and the like, for the chat
 *     template, which does not see what is null. A content that is {@code null} stands here.
 */
public record ChatMessage(String role, String content, Map<String, @Nullable Object> fields) {
  public ChatMessage {
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** A turn of words alone. */
  public ChatMessage(String role, String content) {
    this(role, content, Map.of());
  }
}
