package dev.troupe.protocol.data;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A prompt to answer.
 *
 * @param id unique in a run; the ledger counts by it
 * @param text as a person reads it, chat template included
 * @param tokens the same, tokenized, at least one
 * @param answer what the data say is right, for scorers to compare with; no model sees it
 * @param metadata what else the data say of the prompt, by the fields' names and as JSON has it
 *     (text, numbers, booleans, null, lists and maps), for scorers as well
 * @param variables what the data give the chat template beside turns and tools, as JSON has it, for
 *     turns that follow in an episode
 */
public record Prompt(
    String id,
    String text,
    TokenIds tokens,
    Optional<String> answer,
    Map<String, @Nullable Object> metadata,
    Map<String, @Nullable Object> variables) {
  public Prompt {
    metadata = fixed(metadata);
    variables = fixed(variables);
  }

  private static Map<String, @Nullable Object> fixed(Map<String, @Nullable Object> map) {
    return map.isEmpty() ? Map.of() : Collections.unmodifiableMap(new LinkedHashMap<>(map));
  }

  /** One whose chat template is given nothing else. */
  public Prompt(
      String id,
      String text,
      TokenIds tokens,
      Optional<String> answer,
      Map<String, @Nullable Object> metadata) {
    this(id, text, tokens, answer, metadata, Map.of());
  }

  /** A prompt alone. */
  public Prompt(String id, String text, TokenIds tokens) {
    this(id, text, tokens, Optional.empty(), Map.of());
  }

  /** With its tokens alone: what a node needs to answer it. */
  public Prompt bare() {
    return answer.isEmpty() && metadata.isEmpty() && variables.isEmpty()
        ? this
        : new Prompt(id, text, tokens);
  }
}
