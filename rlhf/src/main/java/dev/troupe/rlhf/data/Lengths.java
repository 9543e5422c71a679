package dev.troupe.rlhf.data;

import dev.troupe.rlhf.port.Text;

/**
 * The length policy, worked out for a model.
 *
 * @param maxTokens longest sequence, prompt and answer
 * @param maxPromptTokens longest prompt, below {@code maxTokens}
 */
public record Lengths(int maxTokens, int maxPromptTokens, DataConfig.TooLong tooLong) {
  public Lengths {
    if (maxPromptTokens < 1 || maxPromptTokens >= maxTokens) {
      throw new DataException(
          "the longest prompt is "
              + maxPromptTokens
              + " tokens and the longest sequence "
              + maxTokens
              + "; a prompt needs at least 1 and must leave room for an answer: raise"
              + " data.max-tokens or lower the number of new tokens");
    }
  }

  /** As configured, within the model's context. */
  public static Lengths of(DataConfig config, Text text) {
    int context = text.contextLength();
    if (config.maxTokens() > context) {
      throw new DataException(
          "data.max-tokens is "
              + config.maxTokens()
              + " and the model's context is "
              + context
              + " tokens: lower it, or set 0 for the whole context");
    }
    int max = config.maxTokens() == 0 ? context : config.maxTokens();
    int prompt = config.maxPromptTokens() == 0 ? max - 1 : config.maxPromptTokens();
    return new Lengths(max, prompt, config.tooLong());
  }

  /** With room for this many new tokens after every prompt. */
  public Lengths reserving(int newTokens) {
    return new Lengths(maxTokens, Math.min(maxPromptTokens, maxTokens - newTokens), tooLong);
  }
}
