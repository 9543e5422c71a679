package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import java.util.List;

/** One record of the user's data, whatever shape its file had. */
public sealed interface DataRecord {
  Origin origin();

  /** A prompt and its answer. */
  record Completion(Origin origin, PromptText prompt, String completion) implements DataRecord {}

  /** A dialogue with at least one assistant's turn. */
  record Dialogue(Origin origin, List<ChatMessage> messages) implements DataRecord {
    public Dialogue {
      messages = List.copyOf(messages);
    }
  }

  /**
   * Two answers to one prompt, the first the better.
   *
   * @param margin by how much at least, 0 when the data do not say
   */
  record Preference(Origin origin, PromptText prompt, String chosen, String rejected, double margin)
      implements DataRecord {}

  /** A prompt without an answer. */
  record BarePrompt(Origin origin, PromptText prompt) implements DataRecord {}

  /** Text without parts. */
  record PlainText(Origin origin, String text) implements DataRecord {}
}
