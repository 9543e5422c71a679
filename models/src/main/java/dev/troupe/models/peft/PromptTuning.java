package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.List;

/**
 * Embeddings of virtual tokens before those of the text (Lester et al., arXiv:2104.08691). They are
 * not multiplied where a family multiplies embeddings, as in PEFT.
 *
 * @param beginning how they begin
 * @param text that they begin as, for {@link Start#TEXT}
 * @param startTokens those of the text, repeated and cut to as many as there are virtual ones;
 *     empty for a finished adapter
 */
public record PromptTuning(
    int tokens, Sizes sizes, Start beginning, String text, List<Integer> startTokens)
    implements PromptMethod {
  static final String TYPE = "PROMPT_TUNING";

  /** How virtual tokens begin. */
  public enum Start {
    /** Normal with deviation 1. */
    RANDOM,
    /** As the embeddings of tokens drawn from the vocabulary. */
    SAMPLE_VOCAB,
    /** As the embeddings of a text. */
    TEXT
  }

  public PromptTuning {
    AdapterKeys.require(tokens >= 1, "num_virtual_tokens must be at least 1, found " + tokens);
    startTokens = List.copyOf(startTokens);
  }

  /** Of a model. */
  public static PromptTuning of(
      ModelConfig model, int tokens, Start start, String text, List<Integer> startTokens) {
    return new PromptTuning(tokens, Sizes.ofEmbeddings(model), start, text, startTokens);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public Sizes sizesOf(ModelConfig model) {
    return Sizes.ofEmbeddings(model);
  }

  @Override
  public int width() {
    return sizes.width();
  }

  @Override
  public List<EncoderLayer> encoder() {
    return List.of();
  }

  @Override
  public PromptMethod withoutEncoder() {
    return this;
  }

  @Override
  public String describe() {
    return "a prompt of "
        + tokens
        + " virtual tokens"
        + (text.isEmpty() ? "" : " that started as '" + text + "'");
  }
}
