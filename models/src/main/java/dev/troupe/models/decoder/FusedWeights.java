package dev.troupe.models.decoder;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.TensorData;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * How a checkpoint's tensors become the kernels' weights and back: q, k, v in one matrix, gate and
 * up in another, and the rows of q and k reordered so that the two numbers that RoPE turns together
 * are neighbours (row i of a head's first half goes to 2i, of its second half to 2i + 1).
 */
final class FusedWeights {
  /** One weight of the kernels' list, row by row. */
  record Weight(float[] values, long[] shape) {}

  /** Where in the list the rotary table stands; it is computed, not stored. */
  static final int ROPE = 3;

  /** Weights before the layers, the rotary table included. */
  static final int GLOBALS = 4;

  /** Weights per layer: attn_norm, qkv, o, mlp_norm, gate_up, down. */
  static final int PER_LAYER = 6;

  private FusedWeights() {}

  /**
   * From Hugging Face names to the kernels' list, one by one: what the sink has taken need not stay
   * in the heap. A tied head is the embedding's own array.
   */
  static void fuse(ModelConfig config, Function<String, float[]> tensors, Consumer<Weight> sink) {
    long d = config.hiddenSize();
    Weight embed =
        new Weight(tensors.apply("model.embed_tokens.weight"), new long[] {config.vocabSize(), d});
    sink.accept(embed);
    sink.accept(new Weight(tensors.apply("model.norm.weight"), new long[] {d}));
    sink.accept(
        config.tiedEmbeddings()
            ? embed
            : new Weight(tensors.apply("lm_head.weight"), new long[] {config.vocabSize(), d}));
    sink.accept(rope(config));
    long q = (long) config.heads() * config.headDim();
    long kv = (long) config.kvHeads() * config.headDim();
    for (int layer = 0; layer < config.layers(); layer++) {
      String prefix = "model.layers." + layer + ".";
      sink.accept(new Weight(tensors.apply(prefix + "input_layernorm.weight"), new long[] {d}));
      float[] qkv =
          concat(
              interleave(
                  tensors.apply(prefix + "self_attn.q_proj.weight"),
                  config.heads(),
                  config.headDim()),
              interleave(
                  tensors.apply(prefix + "self_attn.k_proj.weight"),
                  config.kvHeads(),
                  config.headDim()),
              tensors.apply(prefix + "self_attn.v_proj.weight"));
      sink.accept(new Weight(qkv, new long[] {q + 2 * kv, d}));
      sink.accept(new Weight(tensors.apply(prefix + "self_attn.o_proj.weight"), new long[] {d, q}));
      sink.accept(
          new Weight(tensors.apply(prefix + "post_attention_layernorm.weight"), new long[] {d}));
      float[] gateUp =
          concat(
              tensors.apply(prefix + "mlp.gate_proj.weight"),
              tensors.apply(prefix + "mlp.up_proj.weight"));
      sink.accept(new Weight(gateUp, new long[] {2L * config.intermediateSize(), d}));
      sink.accept(
          new Weight(
              tensors.apply(prefix + "mlp.down_proj.weight"),
              new long[] {d, config.intermediateSize()}));
    }
  }

  /** Back to Hugging Face names and shapes; {@code weights} is the kernels' list. */
  static Map<String, TensorData> split(ModelConfig config, List<float[]> weights) {
    Map<String, float[]> parts = new LinkedHashMap<>();
    parts.put("model.embed_tokens.weight", weights.get(0));
    parts.put("model.norm.weight", weights.get(1));
    parts.put("lm_head.weight", weights.get(2));
    int d = config.hiddenSize();
    int q = config.heads() * config.headDim() * d;
    int kv = config.kvHeads() * config.headDim() * d;
    int ffn = config.intermediateSize() * d;
    for (int layer = 0; layer < config.layers(); layer++) {
      String prefix = "model.layers." + layer + ".";
      int at = GLOBALS + PER_LAYER * layer;
      float[] qkv = weights.get(at + 1);
      parts.put(prefix + "input_layernorm.weight", weights.get(at));
      parts.put(
          prefix + "self_attn.q_proj.weight",
          deinterleave(slice(qkv, 0, q), config.heads(), config.headDim()));
      parts.put(
          prefix + "self_attn.k_proj.weight",
          deinterleave(slice(qkv, q, kv), config.kvHeads(), config.headDim()));
      parts.put(prefix + "self_attn.v_proj.weight", slice(qkv, q + kv, kv));
      parts.put(prefix + "self_attn.o_proj.weight", weights.get(at + 2));
      parts.put(prefix + "post_attention_layernorm.weight", weights.get(at + 3));
      parts.put(prefix + "mlp.gate_proj.weight", slice(weights.get(at + 4), 0, ffn));
      parts.put(prefix + "mlp.up_proj.weight", slice(weights.get(at + 4), ffn, ffn));
      parts.put(prefix + "mlp.down_proj.weight", weights.get(at + 5));
    }
    Map<String, TensorData> out = new LinkedHashMap<>();
    config
        .tensors()
        .forEach(
            (name, shape) ->
                out.put(name, new TensorData(shape, java.nio.FloatBuffer.wrap(parts.get(name)))));
    return out;
  }

  /** Reorders the rows of each head from halves to neighbours; any number of columns. */
  static float[] interleave(float[] rows, int heads, int headDim) {
    return reorder(rows, heads, headDim, true);
  }

  /** Undoes {@link #interleave}. */
  static float[] deinterleave(float[] rows, int heads, int headDim) {
    return reorder(rows, heads, headDim, false);
  }

  private static float[] reorder(float[] rows, int heads, int headDim, boolean forth) {
    int columns = rows.length / (heads * headDim);
    float[] out = new float[rows.length];
    for (int head = 0; head < heads; head++) {
      for (int i = 0; i < headDim; i++) {
        int halves = head * headDim + i;
        int neighbours = head * headDim + (i < headDim / 2 ? 2 * i : 2 * (i - headDim / 2) + 1);
        System.arraycopy(
            rows,
            (forth ? halves : neighbours) * columns,
            out,
            (forth ? neighbours : halves) * columns,
            columns);
      }
    }
    return out;
  }

  private static Weight rope(ModelConfig config) {
    double[] frequencies = config.rotaryFrequencies();
    int positions = config.maxPositionEmbeddings();
    float[] table = new float[positions * frequencies.length * 2];
    for (int position = 0; position < positions; position++) {
      for (int i = 0; i < frequencies.length; i++) {
        // As transformers does: the frequency is a float, the angle a float product.
        float angle = position * (float) frequencies[i];
        int at = (position * frequencies.length + i) * 2;
        table[at] = (float) Math.cos(angle);
        table[at + 1] = (float) Math.sin(angle);
      }
    }
    return new Weight(table, new long[] {positions, 1, frequencies.length, 2});
  }

  private static float[] concat(float[]... parts) {
    int size = 0;
    for (float[] part : parts) {
      size = Math.addExact(size, part.length);
    }
    float[] out = new float[size];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, out, at, part.length);
      at += part.length;
    }
    return out;
  }

  private static float[] slice(float[] values, int from, int count) {
    return java.util.Arrays.copyOfRange(values, from, from + count);
  }
}
