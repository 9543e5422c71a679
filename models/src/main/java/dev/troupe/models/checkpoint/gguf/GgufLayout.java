package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.ModelConfig;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a model's tensors are called and laid out in GGUF and at Hugging Face, both ways: the rows of
 * Llama's queries and keys by rotary pairs, Gemma's norms with the one that is added to them.
 */
public final class GgufLayout {
  private static final Pattern HUGGING_FACE =
      Pattern.compile("model\\.layers\\.(\\d+)\\.(.+)\\.(weight|bias)");
  private static final Pattern STORED = Pattern.compile("blk\\.(\\d+)\\.(.+)\\.(weight|bias)");

  private static final Map<String, String> GLOBAL =
      Map.of(
          "model.embed_tokens.weight", "token_embd.weight",
          "model.norm.weight", "output_norm.weight",
          "lm_head.weight", "output.weight");

  private static final Map<String, String> OF_LAYER =
      Map.of(
          "input_layernorm", "attn_norm",
          "self_attn.q_proj", "attn_q",
          "self_attn.k_proj", "attn_k",
          "self_attn.v_proj", "attn_v",
          "self_attn.o_proj", "attn_output",
          "self_attn.q_norm", "attn_q_norm",
          "self_attn.k_norm", "attn_k_norm",
          "mlp.gate_proj", "ffn_gate",
          "mlp.up_proj", "ffn_up",
          "mlp.down_proj", "ffn_down");

  private static final Map<String, String> NORMS = Map.of("post_attention_layernorm", "ffn_norm");

  /** Gemma's, around attention and around the feed-forward network. */
  private static final Map<String, String> NORMS_AROUND =
      Map.of(
          "post_attention_layernorm", "post_attention_norm",
          "pre_feedforward_layernorm", "ffn_norm",
          "post_feedforward_layernorm", "post_ffw_norm");

  private final ModelConfig config;
  private final boolean paired;
  private final boolean gemma;

  /** Of a layer, by Hugging Face name, and the other way round. */
  private final Map<String, String> stored = new HashMap<>(OF_LAYER);

  private final Map<String, String> huggingFace = new HashMap<>();

  public GgufLayout(ModelConfig config) {
    this.config = config;
    paired = GgufConfig.nameOf(config.architecture()).equals(Optional.of("llama"));
    gemma = config.architecture().startsWith("Gemma");
    stored.putAll(gemma ? NORMS_AROUND : NORMS);
    stored.forEach((ours, theirs) -> huggingFace.put(theirs, ours));
  }

  /** What a tensor is called in GGUF; none where it has no place there. */
  public Optional<String> stored(String name) {
    Matcher layer = HUGGING_FACE.matcher(name);
    return layer.matches()
        ? Optional.ofNullable(stored.get(layer.group(2)))
            .map(known -> "blk." + layer.group(1) + "." + known + "." + layer.group(3))
        : Optional.ofNullable(GLOBAL.get(name));
  }

  /** What one of a file's tensors is called at Hugging Face; none where it means nothing here. */
  public Optional<String> huggingFace(String name) {
    Matcher layer = STORED.matcher(name);
    return layer.matches()
        ? Optional.ofNullable(huggingFace.get(layer.group(2)))
            .map(known -> "model.layers." + layer.group(1) + "." + known + "." + layer.group(3))
        : GLOBAL.entrySet().stream()
            .filter(entry -> entry.getValue().equals(name))
            .map(Map.Entry::getKey)
            .findFirst();
  }

  /** Whether the numbers of a tensor, by its Hugging Face name, are others in GGUF. */
  public boolean differs(String name) {
    return isGain(name) || pairedHeads(name) > 0;
  }

  /** A tensor's numbers as GGUF has them, of those of Hugging Face, in place or new. */
  public float[] toStored(String name, float[] values) {
    if (isGain(name)) {
      add(values, 1);
    }
    int heads = pairedHeads(name);
    return heads > 0 ? reordered(values, heads, true) : values;
  }

  /** The other way round. */
  public float[] toHuggingFace(String name, float[] values) {
    if (isGain(name)) {
      add(values, -1);
    }
    int heads = pairedHeads(name);
    return heads > 0 ? reordered(values, heads, false) : values;
  }

  /** Whether it is stored with the 1 that Gemma adds. */
  private boolean isGain(String name) {
    return gemma && name.endsWith("norm.weight");
  }

  private static void add(float[] values, float one) {
    for (int i = 0; i < values.length; i++) {
      values[i] += one;
    }
  }

  /** Of Llama's queries and keys, which GGUF stores by rotary pairs, how many heads; else 0. */
  private int pairedHeads(String name) {
    if (!paired) {
      return 0;
    }
    return name.contains(".q_proj.")
        ? config.heads()
        : name.contains(".k_proj.") ? config.kvHeads() : 0;
  }

  /**
   * Llama's GGUF has the rows of a rotary pair side by side; Hugging Face has the first of all
   * pairs, then the second of all.
   */
  private float[] reordered(float[] values, int heads, boolean together) {
    int headDim = config.headDim();
    int columns = values.length / (heads * headDim);
    float[] out = new float[values.length];
    for (int head = 0; head < heads; head++) {
      for (int row = 0; row < headDim; row++) {
        int paired = head * headDim + row;
        int apart = head * headDim + row % 2 * (headDim / 2) + row / 2;
        System.arraycopy(
            values,
            (together ? apart : paired) * columns,
            out,
            (together ? paired : apart) * columns,
            columns);
      }
    }
    return out;
  }
}
