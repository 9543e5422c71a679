package dev.troupe.models.checkpoint.gguf;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The tensors of a GGUF file as Hugging Face names and lays them out: the rows of Llama's queries
 * and keys back in their order, Gemma's norms without the one that is added.
 */
public final class GgufTensors implements TensorFile {
  private static final Pattern LAYER = Pattern.compile("blk\\.(\\d+)\\.(.+)\\.(weight|bias)");
  private static final Map<String, String> GLOBAL =
      Map.of(
          "token_embd.weight", "model.embed_tokens.weight",
          "output_norm.weight", "model.norm.weight",
          "output.weight", "lm_head.weight");
  private static final Map<String, String> OF_LAYER =
      Map.ofEntries(
          Map.entry("attn_norm", "input_layernorm"),
          Map.entry("attn_q", "self_attn.q_proj"),
          Map.entry("attn_k", "self_attn.k_proj"),
          Map.entry("attn_v", "self_attn.v_proj"),
          Map.entry("attn_output", "self_attn.o_proj"),
          Map.entry("attn_q_norm", "self_attn.q_norm"),
          Map.entry("attn_k_norm", "self_attn.k_norm"),
          Map.entry("ffn_norm", "post_attention_layernorm"),
          Map.entry("ffn_gate", "mlp.gate_proj"),
          Map.entry("ffn_up", "mlp.up_proj"),
          Map.entry("ffn_down", "mlp.down_proj"));

  /** Gemma's norms around the feed-forward network. */
  private static final Map<String, String> GEMMA =
      Map.of(
          "post_attention_norm", "post_attention_layernorm",
          "ffn_norm", "pre_feedforward_layernorm",
          "post_ffw_norm", "post_feedforward_layernorm");

  /** Rope scaling as factors, which the configuration already tells. */
  private static final String ROPE_FACTORS = "rope_freqs.weight";

  private final GgufFile file;
  private final ModelConfig config;
  private final boolean gemma;

  /** By Hugging Face name. */
  private final Map<String, String> names = new LinkedHashMap<>();

  /**
   * Takes over the file.
   *
   * @param config made of the same file
   */
  public GgufTensors(GgufFile file, ModelConfig config) {
    this.file = file;
    this.config = config;
    this.gemma = config.architecture().startsWith("Gemma");
    for (String name : file.tensors().keySet()) {
      if (!name.equals(ROPE_FACTORS)) {
        names.put(huggingFace(name), name);
      }
    }
  }

  /** A name that means nothing here stays, so that it is told as it stands in the file. */
  private String huggingFace(String name) {
    Matcher layer = LAYER.matcher(name);
    if (!layer.matches()) {
      return GLOBAL.getOrDefault(name, name);
    }
    String known =
        gemma && GEMMA.containsKey(layer.group(2))
            ? GEMMA.get(layer.group(2))
            : OF_LAYER.get(layer.group(2));
    return known == null
        ? name
        : "model.layers." + layer.group(1) + "." + known + "." + layer.group(3);
  }

  @Override
  public Path path() {
    return file.path();
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(names.keySet());
  }

  @Override
  public Shape shape(String name) {
    return Objects.requireNonNull(file.tensors().get(stored(name))).shape();
  }

  /** What reading gives, whatever is stored. */
  @Override
  public DType dtype(String name) {
    return DType.F32;
  }

  @Override
  public ByteBuffer bytes(String name) {
    float[] values = floats(name);
    ByteBuffer bytes =
        ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes;
  }

  @Override
  public void read(String name, FloatBuffer target) {
    String stored = stored(name);
    if (isGain(stored) || pairedHeads(stored) > 0) {
      target.put(floats(name));
    } else {
      file.read(stored, target);
    }
  }

  @Override
  public float[] floats(String name) {
    String stored = stored(name);
    float[] values = file.floats(stored);
    if (isGain(stored)) {
      for (int i = 0; i < values.length; i++) {
        values[i] -= 1;
      }
    }
    int heads = pairedHeads(stored);
    return heads > 0 ? halvesApart(values, heads, config.headDim()) : values;
  }

  /** Whether it is stored with the 1 that Gemma adds. */
  private boolean isGain(String stored) {
    return gemma && stored.endsWith("norm.weight");
  }

  /** Of a matrix whose rows are stored by rotary pairs, how many heads it has; otherwise 0. */
  private int pairedHeads(String stored) {
    if (!config.architecture().equals(ModelConfig.LLAMA)) {
      return 0;
    }
    return stored.contains(".attn_q.")
        ? config.heads()
        : stored.contains(".attn_k.") ? config.kvHeads() : 0;
  }

  /**
   * Llama's GGUF has the rows of a rotary pair side by side; Hugging Face has the first of all
   * pairs, then the second of all.
   */
  private static float[] halvesApart(float[] values, int heads, int headDim) {
    int columns = values.length / (heads * headDim);
    float[] apart = new float[values.length];
    for (int head = 0; head < heads; head++) {
      for (int row = 0; row < headDim; row++) {
        int to = head * headDim + row % 2 * (headDim / 2) + row / 2;
        System.arraycopy(values, (head * headDim + row) * columns, apart, to * columns, columns);
      }
    }
    return apart;
  }

  private String stored(String name) {
    String stored = names.get(name);
    if (stored == null) {
      throw new CheckpointException(file.path() + " has no tensor '" + name + "'.");
    }
    return stored;
  }

  @Override
  public void close() {
    file.close();
  }
}
