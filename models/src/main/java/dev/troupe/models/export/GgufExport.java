package dev.troupe.models.export;

import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.Decoder.Positions;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.RopeScaling;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.export.GgufWriter.Storage;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.tokenizer.GgufVocabulary;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model with its adapter merged, as a GGUF file for llama.cpp: matrices in F16 or Q8_0, vectors
 * in F32, as llama.cpp's own converter has them.
 */
public final class GgufExport {
  /** The file's name in the output directory. */
  public static final String NAME = "model.gguf";

  /** How matrices are stored. */
  public enum Matrices {
    F16,
    Q8_0
  }

  private static final Map<String, String> ARCHITECTURES =
      Map.of(ModelConfig.LLAMA, "llama", "Qwen2ForCausalLM", "qwen2", "Qwen3ForCausalLM", "qwen3");

  private static final Pattern LAYER =
      Pattern.compile("model\\.layers\\.(\\d+)\\.(.+)\\.(weight|bias)");

  private static final Map<String, String> GLOBAL =
      Map.of(
          "model.embed_tokens.weight", "token_embd.weight",
          "model.norm.weight", "output_norm.weight",
          "lm_head.weight", "output.weight");

  private static final Map<String, String> OF_LAYER =
      Map.ofEntries(
          Map.entry("input_layernorm", "attn_norm"),
          Map.entry("self_attn.q_proj", "attn_q"),
          Map.entry("self_attn.k_proj", "attn_k"),
          Map.entry("self_attn.v_proj", "attn_v"),
          Map.entry("self_attn.o_proj", "attn_output"),
          Map.entry("self_attn.q_norm", "attn_q_norm"),
          Map.entry("self_attn.k_norm", "attn_k_norm"),
          Map.entry("post_attention_layernorm", "ffn_norm"),
          Map.entry("mlp.gate_proj", "ffn_gate"),
          Map.entry("mlp.up_proj", "ffn_up"),
          Map.entry("mlp.down_proj", "ffn_down"));

  private GgufExport() {}

  /**
   * Writes {@value #NAME}; a value or reward head goes beside it.
   *
   * @param model directory of the base
   * @param adapter PEFT directory to merge into it
   * @param output must not exist, or be an empty directory
   * @return whether there was a head
   * @throws CheckpointException naming what is wrong, or what cannot be said in GGUF
   */
  public static boolean write(
      Path model, Optional<Path> adapter, Path output, Matrices matrices, ExportListener listener) {
    if (ModelConfig.isGguf(model)) {
      throw new CheckpointException(model + " is a GGUF file already; name a directory.");
    }
    try (Checkpoint checkpoint = Checkpoint.open(model);
        OutputDirectory directory = OutputDirectory.make(output)) {
      ModelConfig config = checkpoint.config();
      Optional<Adapter> found = adapter.map(path -> Adapter.read(path, config));
      MergedWeights weights = new MergedWeights(checkpoint, found);
      GgufWriter writer = new GgufWriter();
      describe(writer, model, config, matrices);
      vocabulary(writer, GgufVocabulary.of(model, config.vocabSize()));
      Map<String, String> sources = new LinkedHashMap<>();
      weights
          .shapes()
          .forEach(
              (name, shape) -> {
                String stored = stored(name, config);
                sources.put(stored, name);
                writer.tensor(stored, shape, storage(shape, matrices));
              });
      long total = weights.shapes().values().stream().mapToLong(Shape::elements).sum();
      long[] done = {0};
      writer.write(
          directory.path().resolve(NAME),
          stored -> {
            String name = Objects.requireNonNull(sources.get(stored), stored);
            float[] values = weights.tensor(name).floats();
            done[0] += values.length;
            listener.wrote(name, done[0], total);
            int heads = pairedHeads(name, config);
            return heads == 0 ? values : pairsTogether(values, heads, config.headDim());
          });
      boolean head = ScoreFile.write(directory.path(), model, found, config.hiddenSize());
      directory.keep();
      return head;
    }
  }

  private static void describe(
      GgufWriter writer, Path model, ModelConfig config, Matrices matrices) {
    String architecture = ARCHITECTURES.get(config.architecture());
    if (architecture == null) {
      throw new CheckpointException(
          model
              + ": "
              + config.architecture()
              + " cannot be written as GGUF; known are LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM. Export --format hf"
              + " and let llama.cpp's convert_hf_to_gguf.py convert that.");
    }
    if (config.decoder().attention().window() > 0) {
      throw new CheckpointException(
          model
              + ": a sliding window (use_sliding_window) cannot be said in a GGUF of this family.");
    }
    writer.text("general.architecture", architecture);
    writer.text("general.name", String.valueOf(model.getFileName()));
    writer.whole("general.file_type", matrices == Matrices.F16 ? 1 : 7);
    writer.whole("general.quantization_version", 2);
    String prefix = architecture + ".";
    writer.whole(prefix + "block_count", config.layers());
    writer.whole(prefix + "context_length", config.maxPositionEmbeddings());
    writer.whole(prefix + "embedding_length", config.hiddenSize());
    writer.whole(prefix + "feed_forward_length", config.intermediateSize());
    writer.whole(prefix + "attention.head_count", config.heads());
    writer.whole(prefix + "attention.head_count_kv", config.kvHeads());
    writer.whole(prefix + "attention.key_length", config.headDim());
    writer.whole(prefix + "attention.value_length", config.headDim());
    writer.number(prefix + "attention.layer_norm_rms_epsilon", config.normEps());
    writer.whole(prefix + "vocab_size", config.vocabSize());
    if (!(config.decoder().positions() instanceof Positions.Rotary rotary)) {
      throw new CheckpointException(model + ": its positions cannot be said in GGUF.");
    }
    writer.whole(prefix + "rope.dimension_count", rotary.dims());
    writer.number(prefix + "rope.freq_base", rotary.theta());
    if (rotary.scaling() instanceof RopeScaling.Linear linear) {
      writer.text(prefix + "rope.scaling.type", "linear");
      writer.number(prefix + "rope.scaling.factor", linear.factor());
    } else if (!(rotary.scaling() instanceof RopeScaling.None)) {
      throw new CheckpointException(
          model
              + ": this rope_scaling cannot be written as GGUF; known are none and linear. Export --format hf and let llama.cpp's"
              + " convert_hf_to_gguf.py convert that.");
    }
  }

  private static void vocabulary(GgufWriter writer, GgufVocabulary vocabulary) {
    String prefix = "tokenizer.ggml.";
    writer.text(prefix + "model", "gpt2");
    writer.text(prefix + "pre", vocabulary.split());
    writer.texts(prefix + "tokens", vocabulary.tokens());
    writer.wholes(prefix + "token_type", vocabulary.kinds());
    writer.texts(prefix + "merges", vocabulary.merges());
    vocabulary.bos().ifPresent(id -> writer.whole(prefix + "bos_token_id", id));
    vocabulary.eos().ifPresent(id -> writer.whole(prefix + "eos_token_id", id));
    vocabulary.pad().ifPresent(id -> writer.whole(prefix + "padding_token_id", id));
    writer.flag(prefix + "add_bos_token", vocabulary.addBos());
    writer.flag(prefix + "add_eos_token", vocabulary.addEos());
    vocabulary
        .chatTemplate()
        .ifPresent(template -> writer.text("tokenizer.chat_template", template));
  }

  /** Vectors stay as they are, and so, as F16, does what Q8_0's blocks do not divide. */
  private static Storage storage(Shape shape, Matrices matrices) {
    if (shape.dimensions().size() < 2) {
      return Storage.F32;
    }
    long columns = shape.dimensions().get(1);
    return matrices == Matrices.Q8_0 && columns % GgufWriter.BLOCK == 0
        ? Storage.Q8_0
        : Storage.F16;
  }

  private static String stored(String name, ModelConfig config) {
    String global = GLOBAL.get(name);
    if (global != null) {
      return global;
    }
    Matcher layer = LAYER.matcher(name);
    String known = layer.matches() ? OF_LAYER.get(layer.group(2)) : null;
    if (known == null) {
      throw new CheckpointException(
          "tensor '" + name + "' of " + config.architecture() + " has no place in GGUF.");
    }
    return "blk." + layer.group(1) + "." + known + "." + layer.group(3);
  }

  /** Of Llama's queries and keys, which GGUF stores by rotary pairs, how many heads; else 0. */
  private static int pairedHeads(String name, ModelConfig config) {
    if (!config.architecture().equals(ModelConfig.LLAMA)) {
      return 0;
    }
    return name.contains(".q_proj.")
        ? config.heads()
        : name.contains(".k_proj.") ? config.kvHeads() : 0;
  }

  private static float[] pairsTogether(float[] values, int heads, int headDim) {
    int columns = values.length / (heads * headDim);
    float[] together = new float[values.length];
    for (int head = 0; head < heads; head++) {
      for (int row = 0; row < headDim; row++) {
        int from = head * headDim + row % 2 * (headDim / 2) + row / 2;
        System.arraycopy(
            values, from * columns, together, (head * headDim + row) * columns, columns);
      }
    }
    return together;
  }
}
