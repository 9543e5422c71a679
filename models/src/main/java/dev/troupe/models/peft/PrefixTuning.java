package dev.troupe.models.peft;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.List;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.ToDoubleFunction;

/**
 * Keys and values before those of the text in every layer (Li and Liang, arXiv:2101.00190). Keys
 * are used as they are, without rotation; the text's first token has the position behind the
 * prefix. Of a row of {@link #EMBEDDINGS}, layer l's key is the part 2 l, its value the part 2 l +
 * 1, each {@code (heads of keys, size of a head)}.
 *
 * @param hidden width of the encoder, where there is one: an embedding, a linear layer, tanh,
 *     another linear layer
 * @param zero whether it starts as zero, not normal
 */
public record PrefixTuning(int tokens, Sizes sizes, OptionalInt hidden, boolean zero)
    implements PromptMethod {
  static final String TYPE = "PREFIX_TUNING";

  public PrefixTuning {
    AdapterKeys.require(tokens >= 1, "num_virtual_tokens must be at least 1, found " + tokens);
    hidden.ifPresent(
        width ->
            AdapterKeys.require(
                width >= 1, "encoder_hidden_size must be at least 1, found " + width));
  }

  /** Of a model. */
  public static PrefixTuning of(ModelConfig model, int tokens, OptionalInt hidden, boolean zero) {
    return new PrefixTuning(tokens, Sizes.ofKeys(model), hidden, zero);
  }

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public Sizes sizesOf(ModelConfig model) {
    return Sizes.ofKeys(model);
  }

  @Override
  public int width() {
    return 2 * sizes.layers() * sizes.width();
  }

  @Override
  public List<EncoderLayer> encoder() {
    return hidden.isEmpty()
        ? List.of()
        : List.of(
            new EncoderLayer(
                "transform.0", sizes.width(), hidden.getAsInt(), EncoderLayer.Activation.TANH),
            new EncoderLayer(
                "transform.2", hidden.getAsInt(), width(), EncoderLayer.Activation.NONE));
  }

  @Override
  public PromptMethod withoutEncoder() {
    return new PrefixTuning(tokens, sizes, OptionalInt.empty(), zero);
  }

  @Override
  public ToDoubleFunction<Random> start() {
    return zero ? ModuleTensor.constant(0) : Random::nextGaussian;
  }

  @Override
  public String describe() {
    return "a prefix of "
        + tokens
        + " tokens"
        + (hidden.isPresent() ? " by an encoder of width " + hidden.getAsInt() : "");
  }
}
