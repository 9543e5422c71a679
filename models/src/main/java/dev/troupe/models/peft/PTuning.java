package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.List;

/**
 * Embeddings of virtual tokens before those of the text, as the output of an encoder (Liu et al.,
 * arXiv:2103.10385): an embedding and three linear layers with ReLU between them.
 *
 * @param hidden width of the encoder
 * @param lstm whether the encoder was PEFT's other one: what a finished adapter has is the same
 * @param encoded whether the encoder is at hand, not its output alone
 */
public record PTuning(int tokens, Sizes sizes, int hidden, boolean lstm, boolean encoded)
    implements PromptMethod {
  static final String TYPE = "P_TUNING";

  public PTuning {
    AdapterKeys.require(tokens >= 1, "num_virtual_tokens must be at least 1, found " + tokens);
    AdapterKeys.require(hidden >= 1, "encoder_hidden_size must be at least 1, found " + hidden);
  }

  /** Of a model. */
  public static PTuning of(ModelConfig model, int tokens, int hidden) {
    return new PTuning(tokens, Sizes.ofEmbeddings(model), hidden, false, true);
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
    return !encoded || lstm
        ? List.of()
        : List.of(
            new EncoderLayer("mlp_head.0", width(), hidden, EncoderLayer.Activation.RELU),
            new EncoderLayer("mlp_head.2", hidden, hidden, EncoderLayer.Activation.RELU),
            new EncoderLayer("mlp_head.4", hidden, width(), EncoderLayer.Activation.NONE));
  }

  @Override
  public PromptMethod withoutEncoder() {
    return new PTuning(tokens, sizes, hidden, lstm, false);
  }

  @Override
  public String describe() {
    return "a prompt of "
        + tokens
        + " virtual tokens by "
        + (lstm ? "an LSTM" : "an encoder of width " + hidden);
  }
}
