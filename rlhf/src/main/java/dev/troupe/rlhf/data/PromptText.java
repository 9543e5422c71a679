package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.rlhf.port.Conversation;
import java.util.List;

/** What is answered. */
public sealed interface PromptText {
  /** Text as it stands. */
  record Plain(String text, Setting setting) implements PromptText {
    public Plain(String text) {
      this(text, Setting.NONE);
    }
  }

  /** Turns, the last of which is not the assistant's. */
  record Chat(Conversation conversation) implements PromptText {
    public Chat(List<ChatMessage> messages) {
      this(new Conversation(messages));
    }
  }

  /**
   * Alpaca's two fields.
   *
   * @param input what the instruction is about, may be empty
   */
  record Instruction(String instruction, String input, Setting setting) implements PromptText {
    public Instruction(String instruction, String input) {
      this(instruction, input, Setting.NONE);
    }
  }
}
