package dev.troupe.models.checkpoint.gguf;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.RopeScaling;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** What a GGUF file's metadata says of its model, in the words of a {@code config.json}. */
public final class GgufConfig {
  /** How a family calls itself at Hugging Face, by {@code general.architecture}. */
  private record Family(String architecture, String modelType) {}

  private static final Map<String, Family> KNOWN = new LinkedHashMap<>();

  static {
    KNOWN.put("llama", new Family(ModelConfig.LLAMA, "llama"));
    KNOWN.put("qwen2", new Family("Qwen2ForCausalLM", "qwen2"));
    KNOWN.put("qwen3", new Family("Qwen3ForCausalLM", "qwen3"));
    KNOWN.put("gemma2", new Family("Gemma2ForCausalLM", "gemma2"));
    KNOWN.put("gemma3", new Family("Gemma3ForCausalLM", "gemma3_text"));
  }

  /** What a Llama with windows is called elsewhere. */
  private static final Set<String> MISTRALS = Set.of("MistralForCausalLM", "MinistralForCausalLM");

  private static final String EMBEDDING = "token_embd.weight";

  /** Keys of every family that are read, checked, or change nothing. */
  private static final Set<String> UNDERSTOOD =
      Set.of(
          "context_length",
          "embedding_length",
          "block_count",
          "feed_forward_length",
          "vocab_size",
          "tensor_data_layout",
          "attention.head_count",
          "attention.head_count_kv",
          "attention.key_length",
          "attention.value_length",
          "attention.layer_norm_rms_epsilon",
          "rope.freq_base",
          "rope.dimension_count",
          "rope.scaling.type",
          "rope.scaling.factor",
          "rope.scaling.original_context_length",
          "rope.scaling.finetuned");

  private static final Map<String, Set<String>> UNDERSTOOD_BESIDES =
      Map.of(
          "gemma2.",
              Set.of(
                  "attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping"),
          "gemma3.",
              Set.of(
                  "attention.sliding_window",
                  "attention.sliding_window_pattern",
                  "rope.freq_base_swa"));

  private final GgufFile file;
  private final GgufMetadata metadata;
  private final String prefix;
  private final ObjectNode json = JsonFile.object();

  private GgufConfig(GgufFile file, String prefix) {
    this.file = file;
    this.metadata = new GgufMetadata(file);
    this.prefix = prefix;
  }

  /**
   * What a Hugging Face architecture is called in GGUF; none where it is not known there. Mistral's
   * is a Llama.
   */
  public static Optional<String> nameOf(String architecture) {
    String known = MISTRALS.contains(architecture) ? ModelConfig.LLAMA : architecture;
    return KNOWN.entrySet().stream()
        .filter(entry -> entry.getValue().architecture().equals(known))
        .map(Map.Entry::getKey)
        .findFirst();
  }

  /**
   * The configuration of the model in a file.
   *
   * @throws CheckpointException when it is of a family that is not known, or says too little
   */
  public static ObjectNode of(GgufFile file) {
    String architecture =
        new GgufMetadata(file)
            .text("general.architecture")
            .orElseThrow(
                () ->
                    new CheckpointException(
                        file.path() + " does not say general.architecture; it is not a model."));
    Family family = KNOWN.get(architecture);
    if (family == null) {
      throw new CheckpointException(
          String.format(
              Locale.ROOT,
              "%s: general.architecture '%s' cannot be run from GGUF; known are %s. Use the Hugging Face checkpoint.",
              file.path(),
              architecture,
              String.join(", ", KNOWN.keySet())));
    }
    GgufConfig config = new GgufConfig(file, architecture + ".");
    config.put(family);
    return config.json;
  }

  private void put(Family family) {
    refuseParts();
    refuseUnknownKeys();
    json.putArray("architectures").add(family.architecture());
    json.put("model_type", family.modelType());
    GgufFile.Tensor embedding = file.tensors().get(EMBEDDING);
    if (embedding == null) {
      throw new CheckpointException(file.path() + " has no tensor '" + EMBEDDING + "'.");
    }
    json.put("vocab_size", embedding.shape().dimensions().get(0));
    required("hidden_size", "embedding_length");
    required("num_hidden_layers", "block_count");
    required("intermediate_size", "feed_forward_length");
    required("num_attention_heads", "attention.head_count");
    integer("num_key_value_heads", "attention.head_count_kv");
    integer("head_dim", "attention.key_length");
    Optional<Long> keyLength = metadata.whole(prefix + "attention.key_length");
    Optional<Long> valueLength = metadata.whole(prefix + "attention.value_length");
    if (valueLength.isPresent() && keyLength.isPresent() && !valueLength.equals(keyLength)) {
      throw new CheckpointException(
          String.format(
              Locale.ROOT,
              "%s: attention.key_length is %d and attention.value_length %d; heads whose keys and values differ in width cannot be run.",
              file.path(),
              keyLength.get(),
              valueLength.get()));
    }
    wholeHeadTurns();
    required("max_position_embeddings", "context_length");
    if (metadata.number(prefix + "attention.layer_norm_rms_epsilon").isEmpty()) {
      throw missing("attention.layer_norm_rms_epsilon");
    }
    number("rms_norm_eps", "attention.layer_norm_rms_epsilon");
    number("rope_theta", "rope.freq_base");
    json.put("tie_word_embeddings", !file.tensors().containsKey("output.weight"));
    scaling();
    tokens();
    if (prefix.startsWith("gemma")) {
      gemma();
    }
  }

  private void refuseParts() {
    long parts = metadata.whole("split.count").orElse(1L);
    if (parts > 1) {
      throw new CheckpointException(
          String.format(
              Locale.ROOT,
              "%s is one of %d parts of a model (split.count); make one file of them: llama-gguf-split --merge FIRST-PART WHOLE.",
              file.path(),
              parts));
    }
  }

  /** What a key that nobody here has heard of would change is unknown too. */
  private void refuseUnknownKeys() {
    Set<String> besides = UNDERSTOOD_BESIDES.getOrDefault(prefix, Set.of());
    for (String key : file.metadata().keySet()) {
      String name = key.startsWith(prefix) ? key.substring(prefix.length()) : "";
      if (!name.isEmpty() && !UNDERSTOOD.contains(name) && !besides.contains(name)) {
        throw new CheckpointException(
            String.format(
                Locale.ROOT,
                "%s: the metadata '%s' is not understood, so the model might run otherwise than it was trained. Use the Hugging Face checkpoint.",
                file.path(),
                key));
      }
    }
  }

  private void wholeHeadTurns() {
    Optional<Long> turning = metadata.whole(prefix + "rope.dimension_count");
    long heads = Math.max(1, json.path("num_attention_heads").asLong());
    long headDim = json.path("head_dim").asLong(json.path("hidden_size").asLong() / heads);
    if (turning.isPresent() && turning.get() != headDim) {
      throw new CheckpointException(
          String.format(
              Locale.ROOT,
              "%s: %srope.dimension_count is %d, but a head has %d numbers; heads that turn in part cannot be run from GGUF. Use the Hugging Face checkpoint.",
              file.path(),
              prefix,
              turning.get(),
              headDim));
    }
  }

  private CheckpointException missing(String ours) {
    return new CheckpointException(
        file.path() + ": the metadata '" + prefix + ours + "' is missing.");
  }

  /** llama.cpp runs both by the head's width but for the 27 billion models. */
  private void gemma() {
    integer("sliding_window", "attention.sliding_window");
    json.put("hidden_activation", "gelu_pytorch_tanh");
    long headDim = json.path("head_dim").asLong(256);
    boolean wide =
        prefix.equals("gemma2.")
            ? json.path("num_hidden_layers").asInt() == 46
            : json.path("num_hidden_layers").asInt() == 62;
    json.put(
        "query_pre_attn_scalar",
        wide
            ? json.path("hidden_size").asLong() / json.path("num_attention_heads").asLong()
            : headDim);
    if (prefix.equals("gemma2.")) {
      number("attn_logit_softcapping", "attn_logit_softcapping");
      number("final_logit_softcapping", "final_logit_softcapping");
    } else {
      json.put(
          "sliding_window_pattern",
          metadata.whole(prefix + "attention.sliding_window_pattern").orElse(6L));
      json.put(
          "rope_local_base_freq",
          round(metadata.number(prefix + "rope.freq_base_swa").orElse(10_000.0)));
    }
  }

  private void scaling() {
    String type = metadata.text(prefix + "rope.scaling.type").orElse("none");
    if (!type.equals("none")) {
      ObjectNode scaling = json.putObject("rope_scaling");
      scaling.put("rope_type", type);
      metadata
          .number(prefix + "rope.scaling.factor")
          .ifPresent(f -> scaling.put("factor", round(f)));
      metadata
          .whole(prefix + "rope.scaling.original_context_length")
          .ifPresent(length -> scaling.put("original_max_position_embeddings", length));
    }
    if (file.tensors().containsKey("rope_freqs.weight")) {
      llama3(file.floats("rope_freqs.weight"));
    }
  }

  /**
   * Llama 3's scaling, which the file has as what each frequency is divided by. The three constants
   * are those of every Llama 3.1 and later; should the file's factors be others, it is refused.
   */
  private void llama3(float[] factors) {
    double factor = 1;
    for (float one : factors) {
      factor = Math.max(factor, one);
    }
    ObjectNode scaling = json.putObject("rope_scaling");
    scaling.put("rope_type", "llama3");
    scaling.put("factor", factor);
    scaling.put("low_freq_factor", 1.0);
    scaling.put("high_freq_factor", 4.0);
    scaling.put("original_max_position_embeddings", 8192);
    RopeScaling llama3 = llama3(factor);
    double theta = json.path("rope_theta").asDouble(10_000);
    for (int i = 0; i < factors.length; i++) {
      double frequency = Math.pow(theta, -(double) i / factors.length);
      double expected = frequency / llama3.scale(frequency, i, theta, factors.length);
      if (Math.abs(factors[i] - expected) > 1e-3 * expected) {
        throw new CheckpointException(
            String.format(
                Locale.ROOT,
                "%s: rope_freqs.weight divides frequency %d by %s, expected %s as in Llama 3.1; this scaling cannot be run from GGUF. Use the Hugging Face checkpoint.",
                file.path(),
                i,
                factors[i],
                expected));
      }
    }
  }

  /** The one scaling that factors in a file can stand for. */
  public static RopeScaling.Llama3 llama3(double factor) {
    return new RopeScaling.Llama3(factor, 1, 4, 8192);
  }

  private void tokens() {
    metadata.whole("tokenizer.ggml.bos_token_id").ifPresent(id -> json.put("bos_token_id", id));
    metadata.whole("tokenizer.ggml.padding_token_id").ifPresent(id -> json.put("pad_token_id", id));
    Set<Long> ends = new LinkedHashSet<>();
    for (String key : List.of("eos_token_id", "eot_token_id")) {
      metadata.whole("tokenizer.ggml." + key).ifPresent(ends::add);
    }
    ArrayNode eos = json.putArray("eos_token_id");
    ends.forEach(eos::add);
  }

  private void required(String key, String ours) {
    if (metadata.whole(prefix + ours).isEmpty()) {
      throw missing(ours);
    }
    integer(key, ours);
  }

  private void integer(String key, String ours) {
    metadata.whole(prefix + ours).ifPresent(value -> json.put(key, value));
  }

  private void number(String key, String ours) {
    metadata.number(prefix + ours).ifPresent(value -> json.put(key, round(value)));
  }

  /** The decimal that was meant by a float32: 1e-6 for 9.999999974752427e-7. */
  private static double round(double value) {
    return Double.parseDouble(Float.toString((float) value));
  }
}
