package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import java.util.List;

/** What is answered. */
public sealed interface PromptText {
  /** Text as it stands. */
  record Plain(String text) implements PromptText {}

  /** Turns, the last of which is not the assistant's. */
  record Chat(List<ChatMessage> messages) implements PromptText {
    public Chat {
      messages = List.copyOf(messages);
    }
  }

  /**
   * Alpaca's two fields.
   *
   * @param input what the instruction is about, may be empty
   */
  record Instruction(String instruction, String input) implements PromptText {}
}
