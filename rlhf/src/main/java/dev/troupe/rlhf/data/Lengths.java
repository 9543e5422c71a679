package dev.troupe.rlhf.data;

import dev.troupe.rlhf.port.Text;

/**
 * The length policy, worked out for a model.
 *
 * @param maxTokens longest sequence, prompt and answer
 * @param maxPromptTokens longest prompt, below {@code maxTokens}
 * @param sampledTokens longest prompt with an answer that is sampled, at most {@code maxTokens}
 */
public record Lengths(
    int maxTokens, int maxPromptTokens, DataConfig.TooLong tooLong, int sampledTokens) {
  /** Where answers may be as long as what is read. */
  public Lengths(int maxTokens, int maxPromptTokens, DataConfig.TooLong tooLong) {
    this(maxTokens, maxPromptTokens, tooLong, maxTokens);
  }

  public Lengths {
    if (maxPromptTokens < 1 || maxPromptTokens >= maxTokens) {
      throw new DataException(
          "sequences of "
              + Math.max(0, maxTokens)
              + " tokens leave no room for a prompt and an answer of at least one token each:"
              + " raise data.max-tokens");
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
    return new Lengths(max, prompt, config.tooLong(), Math.min(max, text.steadyContext()));
  }

  /**
   * Refuses answers so long that no prompt has room beside them.
   *
   * @param key where the longest answer is configured
   */
  public static void checkAnswer(String key, int newTokens, DataConfig config, Text text) {
    int max = Lengths.of(config, text).sampledTokens();
    if (newTokens >= max) {
      throw new DataException(
          key
              + " is "
              + newTokens
              + " and leaves no room for a prompt: "
              + (max == text.steadyContext() && max < text.contextLength()
                  ? "the model's original context, within which answers are sampled, is "
                      + max
                      + " tokens (longrope)"
                  : config.maxTokens() == 0
                      ? "the model's context is " + max + " tokens"
                      : "data.max-tokens is " + max)
              + "; allowed: at most "
              + (max - 1));
    }
  }

  /**
   * With room for this many new tokens after every prompt, within the length up to which an answer
   * is sampled from the very distribution that is trained.
   *
   * @throws DataException when no prompt has room, see {@link #checkAnswer}
   */
  public Lengths reserving(int newTokens) {
    return new Lengths(
        maxTokens, Math.min(maxPromptTokens, sampledTokens - newTokens), tooLong, sampledTokens);
  }
}
