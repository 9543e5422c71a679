package dev.troupe.rlhf.port;

import dev.troupe.protocol.data.TokenIds;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/** The model's tokenizer and chat template. */
public interface Text {
  /**
   * User text: special tokens spelled out in it stay text. No beginning-of-sequence token is added.
   *
   * @throws TextException when the text cannot be tokenized
   */
  TokenIds encode(String text);

  /**
   * Text made by {@link #render}: special tokens spelled out in it become special tokens.
   *
   * @throws TextException when the text cannot be tokenized
   */
  TokenIds encodeRendered(String text);

  /** Text without special tokens. */
  String decode(TokenIds tokens);

  /** Each token as a person may see it, special tokens spelled out. */
  List<String> pieces(TokenIds tokens);

  /** True when the checkpoint brings a chat template. */
  boolean hasChatTemplate();

  /** The chat template applied. */
  String render(Conversation conversation, boolean addGenerationPrompt);

  /**
   * A stretch of a rendered dialogue.
   *
   * @param text for {@link #encodeRendered}
   * @param said whether an assistant says it: its content and its end of turn
   * @param turn of what an assistant says, which turn it is of, from 0; −1 where that can't be
   *     told, and for all else
   */
  record Part(String text, boolean said, int turn) {}

  /**
   * The chat template applied without a prompt, cut where an assistant begins and ends to speak.
   */
  List<Part> renderParts(Conversation conversation);

  /** Put before every plain-text sequence, if the tokenizer does so. */
  OptionalInt beginOfSequence();

  int endOfSequence();

  /** Every token that ends what the model says; the end of sequence among them. */
  default Set<Integer> endTokens() {
    return Set.of(endOfSequence());
  }

  /** The chat template's source, by which families of models are told apart; empty for unknown. */
  default String chatTemplate() {
    return "";
  }

  /** Where the chat template stands, for messages. */
  default String chatTemplateName() {
    return "the model's chat template";
  }

  /** Longest sequence the model takes. */
  int contextLength();

  /**
   * Longest sequence whose tokens have the probabilities that they had while it was shorter: less
   * than the context where a model reads long texts in another way (longrope).
   */
  default int steadyContext() {
    return contextLength();
  }
}
