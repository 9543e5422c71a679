package dev.troupe.models.checkpoint;

import java.util.List;
import java.util.Optional;

/**
 * The choices by which one family of decoders differs from another. The kernels know each choice
 * and no family; {@link Families} reads them from a {@code config.json}.
 *
 * @param parallel whether attention and MLP both read the layer's input, as in GPT-NeoX
 * @param embeddingScale what embeddings are multiplied by
 * @param finalSoftcap c in c · tanh(logits / c); 0 for none
 */
public record Decoder(
    Norms norms,
    Attention attention,
    Mlp mlp,
    Positions positions,
    boolean parallel,
    double embeddingScale,
    double finalSoftcap,
    Names names) {

  /**
   * The norms.
   *
   * @param layer whether they are LayerNorm with a bias, not RMSNorm
   * @param plusOne whether the gain is 1 + weight
   * @param post whether attention and MLP are normed behind as well, before they are added
   * @param qk whether each query and key head is normed
   * @param embedding whether the embedding is
   */
  public record Norms(boolean layer, boolean plusOne, boolean post, boolean qk, boolean embedding) {
    /** RMSNorm before attention and MLP. */
    static Norms rms() {
      return new Norms(false, false, false, false, false);
    }

    /** LayerNorm with a bias before attention and MLP. */
    static Norms layerNorm() {
      return new Norms(true, false, false, false, false);
    }
  }

  /** How a checkpoint stores the rows of queries, keys and values. */
  public enum Packing {
    /** All query heads, then all key heads, then all value heads; in one matrix or three. */
    BY_KIND,
    /** One matrix: the first head's query, key and value, then the second's. */
    BY_HEAD
  }

  /**
   * Attention.
   *
   * @param transposed whether matrices are stored (in, out), MLP included
   * @param qkvBias on queries, keys and values
   * @param outBias on the projection behind
   * @param scale of the scores
   * @param softcap c in c · tanh(score / c); 0 for none
   * @param window how many tokens a local layer sees, its own included
   * @param local per layer, whether it is local; empty when none is
   */
  public record Attention(
      Packing packing,
      boolean transposed,
      boolean qkvBias,
      boolean outBias,
      double scale,
      double softcap,
      int window,
      List<Boolean> local) {
    public Attention {
      local = List.copyOf(local);
    }

    /** Of Llama, with or without biases. */
    static Attention plain(double scale, boolean qkvBias, boolean outBias) {
      return new Attention(Packing.BY_KIND, false, qkvBias, outBias, scale, 0, 0, List.of());
    }

    /** The same in one matrix, stored head by head. */
    Attention byHead() {
      return new Attention(
          Packing.BY_HEAD, transposed, qkvBias, outBias, scale, softcap, window, local);
    }

    /** The same where all matrices of a layer are stored (in, out). */
    Attention transposedMatrices() {
      return new Attention(packing, true, qkvBias, outBias, scale, softcap, window, local);
    }

    /** The same where some layers are local. */
    Attention windowed(int width, List<Boolean> layers) {
      boolean any = layers.contains(true);
      return new Attention(
          packing,
          transposed,
          qkvBias,
          outBias,
          scale,
          softcap,
          any ? width : 0,
          any ? layers : List.of());
    }

    /** The same with capped scores. */
    Attention capped(double cap) {
      return new Attention(packing, transposed, qkvBias, outBias, scale, cap, window, local);
    }
  }

  /** What an MLP's inner numbers go through. */
  public enum Activation {
    SILU,
    GELU,
    GELU_TANH,
    RELU
  }

  /**
   * The feed-forward network.
   *
   * @param gated whether it is activation(gate) · up, not activation(up)
   */
  public record Mlp(Activation activation, boolean gated, boolean bias) {}

  /** How a token knows its place. */
  public sealed interface Positions {
    /**
     * Rotary (Su et al., arXiv:2104.09864).
     *
     * @param dims of each head that turn; even
     * @param theta base of the frequencies
     * @param scaling of the frequencies
     * @param local of local layers, where they turn otherwise
     */
    record Rotary(int dims, double theta, RopeScaling scaling, Optional<Local> local)
        implements Positions {
      /** The base and scaling of local layers. */
      public record Local(double theta, RopeScaling scaling) {}
    }

    /**
     * A learned vector for each position, added to the embedding.
     *
     * @param offset how many vectors of the table come before position 0's
     */
    record Learned(int offset) implements Positions {}

    /** Scores fall with distance, by a slope for each head (ALiBi, arXiv:2108.12409). */
    record Alibi() implements Positions {}
  }

  /**
   * The checkpoint's names of weights, without {@code .weight} and {@code .bias}; empty where a
   * family has none.
   *
   * @param layer prefix of a layer's, with {@code %d}
   * @param qkv of queries, keys and values, or of all in one
   * @param up of gate and up, or of both in one, or of up alone
   * @param head of the output matrix when it is not tied
   * @param positions of the table of learned positions
   * @param embedNorm of the embedding's norm
   */
  public record Names(
      String embed,
      String norm,
      String head,
      String layer,
      String attentionNorm,
      List<String> qkv,
      String out,
      String postAttentionNorm,
      String mlpNorm,
      List<String> up,
      String down,
      String postMlpNorm,
      String positions,
      String embedNorm) {
    public Names {
      qkv = List.copyOf(qkv);
      up = List.copyOf(up);
    }

    static Names llama() {
      return new Names(
          "model.embed_tokens",
          "model.norm",
          "lm_head",
          "model.layers.%d.",
          "input_layernorm",
          List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
          "self_attn.o_proj",
          "",
          "post_attention_layernorm",
          List.of("mlp.gate_proj", "mlp.up_proj"),
          "mlp.down_proj",
          "",
          "",
          "");
    }
  }
}
