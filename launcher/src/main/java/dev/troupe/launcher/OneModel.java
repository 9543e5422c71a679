package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/** A model opened for one-off work: its tokenizer and its engine. For one thread. */
interface OneModel extends AutoCloseable {
  /** Opens models; a test has one without weights. */
  interface Opener {
    /**
     * @param adapter directory of a PEFT adapter to put on the model
     * @param temperature at which log-probabilities are taken, 1 for the model's own
     * @param engine on what and in what numbers
     */
    OneModel open(
        Path model, Optional<Path> adapter, double temperature, PipelineConfig.Engine engine);
  }

  /** Plain text as the model reads it, beginning-of-sequence token first if it has one. */
  TokenIds encode(String text);

  /** As {@link #encode(String)}, where special tokens spelled out in the text are meant. */
  TokenIds encodeMarked(String text);

  /** A dialogue through the chat template, ready for the assistant's turn. */
  TokenIds encode(List<ChatMessage> dialogue);

  /** False when the checkpoint brings no chat template. */
  boolean hasChatTemplate();

  /** Longest sequence the model takes. */
  int contextLength();

  /**
   * Samples an answer.
   *
   * @param onText hears the text as it grows, piece by piece
   */
  Rollout generate(TokenIds prompt, SamplingSettings settings, Consumer<String> onText);

  /** Log-probabilities of the tokens from the second on, T-1 of them. */
  Floats logprobs(TokenIds tokens);

  @Override
  void close();
}
