package dev.troupe.models.tokenizer;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One message of a dialogue.
 *
 * @param role who speaks; templates know {@code system}, {@code user} and {@code assistant}
 * @param content what is said
 * @param fields what else the message has, as JSON has it: {@code tool_calls} and the like. What is
 *     null in it the template does not see; a content that is null takes the other away, and one
 *     that is a list of parts, {@code {"type": "text", "text": …}}, takes its place in templates
 *     that take lists.
 */
public record ChatTurn(String role, String content, Map<String, @Nullable Object> fields) {
  public ChatTurn {
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** A message of words alone. */
  public ChatTurn(String role, String content) {
    this(role, content, Map.of());
  }

  /**
   * The same with its reasoning under the names that templates look for, as transformers 5 gives
   * it: {@code thinking} and {@code reasoning_content}, from the first of those and {@code
   * reasoning}.
   */
  ChatTurn withReasoning() {
    for (String name : List.of("reasoning_content", "thinking", "reasoning")) {
      Object reasoning = fields.get(name);
      if (reasoning != null) {
        Map<String, @Nullable Object> all = new LinkedHashMap<>();
        all.put("thinking", reasoning);
        all.putAll(fields);
        if (all.get("thinking") == null) {
          all.put("thinking", reasoning);
        }
        all.put("reasoning_content", reasoning);
        return new ChatTurn(role, content, all);
      }
    }
    return this;
  }

  /** Whether the content is a list of parts. */
  boolean inParts() {
    return fields.get("content") instanceof List<?>;
  }

  /** With the parts' texts as one. */
  ChatTurn joined() {
    Map<String, @Nullable Object> others = new LinkedHashMap<>(fields);
    others.remove("content");
    return new ChatTurn(role, content, others);
  }

  /** Whether there is anything in it that a template should write. */
  boolean says() {
    return !content.isBlank() || fields.get("tool_calls") != null;
  }
}
