package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.Decoder;
import dev.troupe.models.checkpoint.Decoder.Activation;
import dev.troupe.models.checkpoint.Decoder.Positions;
import dev.troupe.models.checkpoint.ModelConfig;
import java.util.LinkedHashMap;
import java.util.Map;

/** A model's sizes and choices as the kernels' attributes. */
final class KernelChoices {
  /** Numbers of logits that are held at once: 32 MiB. */
  private static final int CHUNK_LOGITS = 1 << 23;

  /** Numbers of logits that a lane keeps from the forward pass for the backward one: 128 MiB. */
  private static final int KEPT_LOGITS = 1 << 25;

  /**
   * Texts up to this long attend block by block, keeping the probabilities for the gradient; longer
   * ones keep none and compute them again.
   */
  static final int BLOCKED_TOKENS = 512;

  /** Queries of a block, at least. */
  private static final int BLOCK_ROWS = 64;

  private KernelChoices() {}

  /** Rows of logits that training keeps in a lane; the backward pass computes the others again. */
  static int keptLogitRows(ModelConfig config) {
    return KEPT_LOGITS / config.vocabSize();
  }

  /** Rows of logits that are computed at once. */
  static int logitRows(ModelConfig config) {
    return Math.max(16, Math.min(512, CHUNK_LOGITS / config.vocabSize()));
  }

  /**
   * What a head keeps of a token's scores for the backward pass, rounded up: of a text of so many
   * tokens, or of a shorter one where that keeps more.
   */
  static long keptProbabilities(ModelConfig config, long tokens) {
    if (config.decoder().attention().softcap() > 0) {
      // Of all positions: what tanh and the softmax give, what is in hand and what the allocator
      // holds. Of 24 layers, by the peak of whole runs, 3.9 times texts of 256 tokens and 5.9 times
      // texts of 781.
      return 5 * tokens;
    }
    if (config.decoder().positions() instanceof Positions.Alibi) {
      return 1; // torch's own attention keeps a sum alone
    }
    long text = Math.min(tokens, BLOCKED_TOKENS);
    long block = Math.max(BLOCK_ROWS, (text + 3) / 4);
    long kept = 0;
    for (long from = 0; from < text; from += block) {
      long end = Math.min(from + block, text);
      kept += (end - from) * end; // no query looks behind the last of its block
    }
    return text == 0 ? 0 : (kept + text - 1) / text;
  }

  static Map<String, Object> of(ModelConfig config) {
    Decoder decoder = config.decoder();
    Decoder.Attention attention = decoder.attention();
    Map<String, Object> attributes = new LinkedHashMap<>();
    attributes.put("layers", (long) config.layers());
    attributes.put("hidden", (long) config.hiddenSize());
    attributes.put("heads", (long) config.heads());
    attributes.put("kv", (long) config.kvHeads());
    attributes.put("hd", (long) config.headDim());
    attributes.put("ffn", (long) config.intermediateSize());
    attributes.put("context", (long) config.maxPositionEmbeddings());
    attributes.put("eps", config.normEps());
    attributes.put("tied", config.tiedEmbeddings());
    attributes.put("chunk", (long) logitRows(config));
    attributes.put("kept_rows", (long) keptLogitRows(config));
    attributes.put("blocked_tokens", (long) BLOCKED_TOKENS);
    attributes.put("block_rows", (long) BLOCK_ROWS);
    attributes.put("layer_norm", decoder.norms().layer());
    attributes.put("plus_one", decoder.norms().plusOne());
    attributes.put("post_norms", decoder.norms().post());
    attributes.put("qk_norm", decoder.norms().qk());
    attributes.put("embedding_scale", decoder.embeddingScale());
    attributes.put("rotary", decoder.positions() instanceof Positions.Rotary);
    attributes.put("learned", decoder.positions() instanceof Positions.Learned);
    attributes.put(
        "offset",
        decoder.positions() instanceof Positions.Learned learned ? (long) learned.offset() : 0L);
    attributes.put("alibi", decoder.positions() instanceof Positions.Alibi);
    attributes.put("alibi_heads", (long) Integer.highestOneBit(config.heads()));
    attributes.put("embedding_norm", decoder.norms().embedding());
    attributes.put("local_rope", config.turns(true).isPresent());
    attributes.put("original", original(config, false));
    attributes.put("local_original", original(config, true));
    attributes.put("qkv_bias", attention.qkvBias());
    attributes.put("out_bias", attention.outBias());
    attributes.put("attention_scale", attention.scale());
    attributes.put("attention_cap", attention.softcap());
    attributes.put("window", (long) attention.window());
    attributes.put("local", local(config));
    attributes.put("mlp_bias", decoder.mlp().bias());
    attributes.put("gated", decoder.mlp().gated());
    attributes.put("activation", (long) code(decoder.mlp().activation()));
    attributes.put("parallel", decoder.parallel());
    attributes.put("final_cap", decoder.finalSoftcap());
    return attributes;
  }

  /** Tokens beyond which positions turn by the second half of their table; 0 for never. */
  private static long original(ModelConfig config, boolean local) {
    return config
        .turns(local)
        .map(turns -> (long) turns.original(config.maxPositionEmbeddings()))
        .orElse(0L);
  }

  private static long[] local(ModelConfig config) {
    long[] local = new long[config.layers()];
    for (int layer = 0; layer < local.length; layer++) {
      boolean has = !config.decoder().attention().local().isEmpty();
      local[layer] = has && config.decoder().attention().local().get(layer) ? 1 : 0;
    }
    return local;
  }

  private static int code(Activation activation) {
    return switch (activation) {
      case SILU -> 0;
      case GELU -> 1;
      case GELU_TANH -> 2;
      case RELU -> 3;
    };
  }
}
