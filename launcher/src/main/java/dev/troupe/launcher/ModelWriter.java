package dev.troupe.launcher;

import dev.troupe.protocol.data.ChatMessage;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.selfinstruct.TaskWriter;
import java.util.List;

/** A model of ours that writes tasks. */
final class ModelWriter implements TaskWriter {
  private final OneModel model;
  private final boolean chat;
  private final double temperature;
  private final double topP;

  ModelWriter(OneModel model, boolean chat, double temperature, double topP) {
    this.model = model;
    this.chat = chat;
    this.temperature = temperature;
    this.topP = topP;
  }

  @Override
  public Written write(String prompt, List<String> stop, int longest, long seed) {
    TokenIds tokens =
        chat ? model.encode(List.of(new ChatMessage("user", prompt))) : model.encode(prompt);
    ContextLimit.check("a prompt of self-instruct", tokens.size(), model.contextLength());
    int room = Math.min(longest, model.contextLength() - tokens.size());
    Rollout rollout =
        model.generate(
            tokens, new SamplingSettings(room, temperature, 0, topP, stop, seed), piece -> {});
    return new Written(before(rollout.text(), stop), rollout.finish() == FinishReason.LENGTH);
  }

  /** A text up to the first of the texts that end it. */
  static String before(String text, List<String> stop) {
    int end =
        stop.stream().mapToInt(text::indexOf).filter(at -> at >= 0).min().orElse(text.length());
    return text.substring(0, end);
  }
}
