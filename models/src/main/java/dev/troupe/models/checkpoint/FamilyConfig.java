package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;

/** What the families' readers share: defaults of absent keys, sizes, and the whole of them. */
final class FamilyConfig {
  /**
   * What an absent key means; {@code headDim} 0 for the width divided by the heads, {@code kvHeads}
   * 0 for as many as there are query heads.
   *
   * @param nullHeadDim whether null is as good as absent for {@code head_dim}
   * @param nullKvHeads whether null stands for as many as query heads in {@code
   *     num_key_value_heads}
   */
  record Defaults(
      int headDim,
      boolean nullHeadDim,
      int kvHeads,
      boolean nullKvHeads,
      double normEps,
      int maxPositions,
      boolean tied,
      List<Integer> eos,
      OptionalInt bos,
      OptionalInt pad) {
    /** Of a family that has no such sizes and ties its output matrix unless it says otherwise. */
    static Defaults tied(List<Integer> eos, OptionalInt bos, OptionalInt pad) {
      return new Defaults(0, false, 0, false, 0, 0, true, eos, bos, pad);
    }
  }

  record Sizes(
      int hidden,
      int inner,
      int layers,
      int heads,
      int kvHeads,
      int headDim,
      double normEps,
      int positions) {
    /** Of a network without grouped queries, whose heads share the width. */
    static Sizes shared(int hidden, int inner, int layers, int heads, double eps, int positions) {
      require(
          heads > 0 && hidden % heads == 0,
          "the width " + hidden + " is not a multiple of the " + heads + " attention heads");
      return new Sizes(hidden, inner, layers, heads, heads, hidden / heads, eps, positions);
    }
  }

  private FamilyConfig() {}

  /** With the sizes as Llama and all who came after it call them. */
  static ModelConfig of(String architecture, ConfigKeys keys, Defaults defaults, Decoder decoder) {
    int heads = keys.requiredInt("num_attention_heads");
    return of(
        architecture,
        keys,
        new Sizes(
            keys.requiredInt("hidden_size"),
            keys.requiredInt("intermediate_size"),
            keys.layers("num_hidden_layers"),
            heads,
            kvHeads(keys, defaults, heads),
            headDim(keys, defaults),
            keys.positive("rms_norm_eps", defaults.normEps),
            positions(keys, defaults)),
        defaults,
        decoder);
  }

  private static int kvHeads(ConfigKeys keys, Defaults defaults, int heads) {
    String key = "num_key_value_heads";
    if (keys.mentions(key) && !keys.has(key) && defaults.nullKvHeads) {
      return heads;
    }
    return keys.integer(key, defaults.kvHeads == 0 ? heads : defaults.kvHeads);
  }

  static ModelConfig of(
      String architecture, ConfigKeys keys, Sizes sizes, Defaults defaults, Decoder decoder) {
    return new ModelConfig(
        architecture,
        keys.requiredInt("vocab_size"),
        sizes.hidden,
        sizes.inner,
        sizes.layers,
        sizes.heads,
        sizes.kvHeads,
        sizes.headDim,
        sizes.normEps,
        sizes.positions,
        keys.bool("tie_word_embeddings", defaults.tied),
        keys.eosTokens(defaults.eos),
        keys.token("bos_token_id", defaults.bos),
        keys.token("pad_token_id", defaults.pad),
        decoder,
        keys.copy());
  }

  static int headDim(ConfigKeys keys, Defaults defaults) {
    if (keys.has("head_dim") || (keys.mentions("head_dim") && !defaults.nullHeadDim)) {
      return keys.requiredInt("head_dim");
    }
    if (defaults.headDim > 0) {
      return defaults.headDim;
    }
    int hidden = keys.requiredInt("hidden_size");
    int heads = keys.requiredInt("num_attention_heads");
    require(
        heads > 0 && hidden % heads == 0,
        "hidden_size "
            + hidden
            + " is not a multiple of num_attention_heads "
            + heads
            + ", and head_dim is not given");
    return hidden / heads;
  }

  /** The context in tokens, stretched by what scaling there is. */
  static int positions(ConfigKeys keys, Defaults defaults) {
    return keys.integer("max_position_embeddings", defaults.maxPositions);
  }

  static double plainScale(int headDim) {
    return 1 / Math.sqrt(headDim);
  }

  static List<Boolean> everyLayer(ConfigKeys keys, boolean local) {
    return Collections.nCopies(keys.layers("num_hidden_layers"), local);
  }

  /** The same attention where some layers are local, which then need a window. */
  static Decoder.Attention windowed(
      Decoder.Attention plain, ConfigKeys keys, int otherwise, List<Boolean> local) {
    if (!local.contains(true)) {
      keys.has("sliding_window");
      return plain;
    }
    int width = keys.integer("sliding_window", otherwise);
    require(width > 0, "sliding_window must be positive, found " + width);
    return plain.windowed(width, local);
  }
}
