package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;

/** Reads each known family's {@code config.json} into one description. */
final class Families {
  /** Reads the configuration of one family. */
  private interface Reader {
    ModelConfig read(String architecture, ConfigKeys keys);
  }

  /**
   * A family as {@code transformers} knows it.
   *
   * @param modelType what {@code model_type} says of it
   */
  private record Family(String modelType, Reader reader) {}

  /**
   * What an absent key means; {@code headDim} 0 for the width divided by the heads, {@code kvHeads}
   * 0 for as many as there are query heads.
   */
  private record Defaults(
      int headDim,
      int kvHeads,
      double normEps,
      int maxPositions,
      boolean tied,
      List<Integer> eos,
      OptionalInt bos,
      OptionalInt pad) {}

  private static final Defaults LLAMA =
      new Defaults(0, 0, 1e-6, 2048, false, List.of(2), OptionalInt.of(1), OptionalInt.empty());

  private static final Defaults QWEN =
      new Defaults(0, 32, 1e-6, 32_768, false, List.of(), OptionalInt.empty(), OptionalInt.empty());

  /** By architecture: the class that transformers would build. */
  private static final Map<String, Family> KNOWN = new LinkedHashMap<>();

  static {
    KNOWN.put(ModelConfig.LLAMA, new Family("llama", Families::llama));
    KNOWN.put("MistralForCausalLM", new Family("mistral", Families::mistral));
    KNOWN.put("Phi3ForCausalLM", new Family("phi3", Families::phi3));
    KNOWN.put("Qwen2ForCausalLM", new Family("qwen2", Families::qwen2));
    KNOWN.put("Qwen3ForCausalLM", new Family("qwen3", Families::qwen3));
    KNOWN.put("Gemma2ForCausalLM", new Family("gemma2", Families::gemma2));
    KNOWN.put("Gemma3ForCausalLM", new Family("gemma3_text", Families::gemma3));
  }

  private Families() {}

  static ModelConfig read(ConfigKeys keys) {
    String architecture = architecture(keys);
    Family family = KNOWN.get(architecture);
    String type = keys.text("model_type", family.modelType());
    require(
        type.equals(family.modelType()),
        "model_type '"
            + type
            + "' does not go with the architecture "
            + architecture
            + ", which is '"
            + family.modelType()
            + "'");
    require(
        !keys.has("quantization_config"),
        "quantization_config is set; quantised weights cannot be trained. Use the checkpoint in bf16, fp16 or fp32");
    return family.reader().read(architecture, keys);
  }

  /** All that are known. */
  static Set<String> architectures() {
    return Collections.unmodifiableSet(KNOWN.keySet());
  }

  private static String architecture(ConfigKeys keys) {
    JsonNode architectures = keys.json().path("architectures");
    String found =
        architectures.isArray() && !architectures.isEmpty() ? architectures.get(0).asText() : "";
    String known = String.join(", ", architectures());
    require(!found.isEmpty(), "it names no architecture (key 'architectures'); known are " + known);
    require(KNOWN.containsKey(found), "unknown architecture '" + found + "'; known are " + known);
    return found;
  }

  private static ModelConfig llama(String architecture, ConfigKeys keys) {
    boolean bias = keys.bool("attention_bias", false);
    int headDim = headDim(keys, LLAMA);
    return config(
        architecture,
        keys,
        LLAMA,
        new Decoder(
            Decoder.Norms.rms(),
            Decoder.Attention.plain(plainScale(headDim), bias, bias),
            new Decoder.Mlp(
                keys.activation("hidden_act", "silu"), true, keys.bool("mlp_bias", false)),
            rotary(keys, headDim),
            false,
            1,
            0,
            Decoder.Names.llama()));
  }

  private static ModelConfig mistral(String architecture, ConfigKeys keys) {
    Defaults defaults = new Defaults(0, 8, 1e-6, 131_072, false, LLAMA.eos, LLAMA.bos, LLAMA.pad);
    int headDim = headDim(keys, defaults);
    boolean windowed = !keys.json().has("sliding_window") || keys.has("sliding_window");
    return config(
        architecture,
        keys,
        defaults,
        new Decoder(
            Decoder.Norms.rms(),
            Decoder.Attention.plain(plainScale(headDim), false, false)
                .windowed(windowed ? window(keys, 4096) : 0, everyLayer(keys, windowed)),
            new Decoder.Mlp(keys.activation("hidden_act", "silu"), true, false),
            rotary(keys, headDim),
            false,
            1,
            0,
            Decoder.Names.llama()));
  }

  private static ModelConfig phi3(String architecture, ConfigKeys keys) {
    Defaults defaults =
        new Defaults(
            0, 0, 1e-5, 4096, false, List.of(32_000), OptionalInt.of(1), OptionalInt.of(32_000));
    int headDim = headDim(keys, defaults);
    boolean windowed = keys.has("sliding_window");
    Decoder.Names llama = Decoder.Names.llama();
    return config(
        architecture,
        keys,
        defaults,
        new Decoder(
            Decoder.Norms.rms(),
            Decoder.Attention.plain(plainScale(headDim), false, false)
                .windowed(windowed ? window(keys, 0) : 0, everyLayer(keys, windowed)),
            new Decoder.Mlp(keys.activation("hidden_act", "silu"), true, false),
            rotary(keys, headDim),
            false,
            1,
            0,
            new Decoder.Names(
                llama.embed(),
                llama.norm(),
                llama.head(),
                llama.layer(),
                llama.attentionNorm(),
                List.of("self_attn.qkv_proj"),
                llama.out(),
                "",
                llama.mlpNorm(),
                List.of("mlp.gate_up_proj"),
                llama.down(),
                "")));
  }

  private static List<Boolean> everyLayer(ConfigKeys keys, boolean local) {
    return Collections.nCopies(keys.layers("num_hidden_layers"), local);
  }

  private static ModelConfig qwen2(String architecture, ConfigKeys keys) {
    int headDim = headDim(keys, QWEN);
    return config(
        architecture,
        keys,
        QWEN,
        new Decoder(
            Decoder.Norms.rms(),
            Decoder.Attention.plain(plainScale(headDim), true, false)
                .windowed(window(keys, 4096), qwenLocal(keys)),
            new Decoder.Mlp(keys.activation("hidden_act", "silu"), true, false),
            rotary(keys, headDim),
            false,
            1,
            0,
            Decoder.Names.llama()));
  }

  private static ModelConfig qwen3(String architecture, ConfigKeys keys) {
    Defaults defaults =
        new Defaults(
            128,
            QWEN.kvHeads,
            QWEN.normEps,
            QWEN.maxPositions,
            false,
            QWEN.eos,
            QWEN.bos,
            QWEN.pad);
    boolean bias = keys.bool("attention_bias", false);
    int headDim = headDim(keys, defaults);
    return config(
        architecture,
        keys,
        defaults,
        new Decoder(
            new Decoder.Norms(false, false, false, true, false),
            Decoder.Attention.plain(plainScale(headDim), bias, bias)
                .windowed(window(keys, 4096), qwenLocal(keys)),
            new Decoder.Mlp(keys.activation("hidden_act", "silu"), true, false),
            rotary(keys, headDim),
            false,
            1,
            0,
            Decoder.Names.llama()));
  }

  private static ModelConfig gemma2(String architecture, ConfigKeys keys) {
    return config(
        architecture,
        keys,
        gemma(8192),
        new Decoder(
            new Decoder.Norms(false, true, true, false, false),
            gemmaAttention(keys, 2).capped(keys.cap("attn_logit_softcapping", 50)),
            gemmaMlp(keys),
            rotary(keys, headDim(keys, gemma(8192))),
            false,
            Math.sqrt(keys.requiredInt("hidden_size")),
            keys.cap("final_logit_softcapping", 30),
            gemmaNames()));
  }

  private static ModelConfig gemma3(String architecture, ConfigKeys keys) {
    keys.mustBe(
        "use_bidirectional_attention",
        false,
        false,
        "a model that looks ahead cannot generate text");
    require(
        !keys.has("attn_logit_softcapping"),
        "attn_logit_softcapping is set, which Gemma 3 as transformers runs it does not have; expected null");
    Defaults defaults = gemma(131_072);
    int pattern =
        keys.integer("sliding_window_pattern")
            .orElse(keys.integer("_sliding_window_pattern").orElse(6));
    return config(
        architecture,
        keys,
        defaults,
        new Decoder(
            new Decoder.Norms(false, true, true, true, false),
            gemmaAttention(keys, pattern),
            gemmaMlp(keys),
            gemma3Rotary(keys, headDim(keys, defaults)),
            false,
            Math.sqrt(keys.requiredInt("hidden_size")),
            keys.cap("final_logit_softcapping", 0),
            gemmaNames()));
  }

  private static Defaults gemma(int maxPositions) {
    return new Defaults(
        256, 4, 1e-6, maxPositions, true, List.of(1), OptionalInt.of(2), OptionalInt.of(0));
  }

  /** Of every {@code pattern} layers the last sees everything, unless {@code layer_types} says. */
  private static Decoder.Attention gemmaAttention(ConfigKeys keys, int pattern) {
    require(pattern > 0, "sliding_window_pattern must be positive, found " + pattern);
    boolean bias = keys.bool("attention_bias", false);
    int layers = keys.layers("num_hidden_layers");
    List<Boolean> local =
        keys.layerTypes(layers)
            .orElseGet(
                () ->
                    IntStream.range(0, layers)
                        .mapToObj(layer -> (layer + 1) % pattern != 0)
                        .toList());
    double scale = 1 / Math.sqrt(keys.positive("query_pre_attn_scalar", 256));
    return Decoder.Attention.plain(scale, bias, bias).windowed(window(keys, 4096), local);
  }

  private static Decoder.Mlp gemmaMlp(ConfigKeys keys) {
    return new Decoder.Mlp(keys.activation("hidden_activation", "gelu_pytorch_tanh"), true, false);
  }

  /** Local layers turn by a base of their own and are not stretched. */
  private static Decoder.Positions gemma3Rotary(ConfigKeys keys, int headDim) {
    ConfigKeys rope = keys.object("rope_parameters");
    ConfigKeys far = rope.has("full_attention") ? rope.object("full_attention") : keys;
    ConfigKeys scaling = rope.has("full_attention") ? far : keys.object("rope_scaling");
    double localTheta =
        rope.has("sliding_attention")
            ? rope.object("sliding_attention").positive("rope_theta", 10_000)
            : keys.positive("rope_local_base_freq", 10_000);
    return new Decoder.Positions.Rotary(
        headDim,
        far.positive("rope_theta", 1_000_000),
        scaling.ropeScaling(keys, headDim / 2),
        OptionalDouble.of(localTheta));
  }

  private static Decoder.Names gemmaNames() {
    Decoder.Names llama = Decoder.Names.llama();
    return new Decoder.Names(
        llama.embed(),
        llama.norm(),
        llama.head(),
        llama.layer(),
        llama.attentionNorm(),
        llama.qkv(),
        llama.out(),
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        llama.up(),
        llama.down(),
        "post_feedforward_layernorm");
  }

  private static int window(ConfigKeys keys, int otherwise) {
    int width = keys.integer("sliding_window").orElse(otherwise);
    require(width > 0, "sliding_window must be positive, found " + width);
    return width;
  }

  /** Qwen's sliding windows are off unless asked for; then layers from some one on have them. */
  private static List<Boolean> qwenLocal(ConfigKeys keys) {
    int layers = keys.layers("num_hidden_layers");
    boolean on = keys.bool("use_sliding_window", false) && keys.has("sliding_window");
    int first = keys.integer("max_window_layers").orElse(28);
    List<Boolean> local =
        keys.layerTypes(layers)
            .orElseGet(
                () -> IntStream.range(0, layers).mapToObj(layer -> on && layer >= first).toList());
    require(
        on || !local.contains(true),
        "layer_types has sliding_attention, but use_sliding_window is false or sliding_window null");
    return local;
  }

  private static double plainScale(int headDim) {
    return 1 / Math.sqrt(headDim);
  }

  private static int headDim(ConfigKeys keys, Defaults defaults) {
    if (keys.has("head_dim")) {
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

  /** With the sizes as Llama and all who came after it call them. */
  private static ModelConfig config(
      String architecture, ConfigKeys keys, Defaults defaults, Decoder decoder) {
    int heads = keys.requiredInt("num_attention_heads");
    return new ModelConfig(
        architecture,
        keys.requiredInt("vocab_size"),
        keys.requiredInt("hidden_size"),
        keys.requiredInt("intermediate_size"),
        keys.layers("num_hidden_layers"),
        heads,
        keys.json().has("num_key_value_heads") || defaults.kvHeads == 0
            ? keys.integer("num_key_value_heads").orElse(heads)
            : defaults.kvHeads,
        headDim(keys, defaults),
        keys.positive("rms_norm_eps", defaults.normEps),
        Math.min(
            keys.integer("max_position_embeddings").orElse(defaults.maxPositions),
            decoder.positions().longest()),
        keys.bool("tie_word_embeddings", defaults.tied),
        keys.eosTokens(defaults.eos),
        keys.token("bos_token_id", defaults.bos),
        keys.token("pad_token_id", defaults.pad),
        decoder,
        keys.copy());
  }

  private static Decoder.Positions rotary(ConfigKeys keys, int headDim) {
    ConfigKeys rope = keys.object(keys.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
    double theta = (keys.has("rope_theta") ? keys : rope).positive("rope_theta", 10_000);
    double share =
        (keys.has("partial_rotary_factor") ? keys : rope).positive("partial_rotary_factor", 1);
    int dims = (int) (headDim * share);
    require(headDim % 2 == 0, "head_dim " + headDim + " is odd; rotary positions need pairs");
    require(
        share <= 1 && dims > 0 && dims % 2 == 0,
        "partial_rotary_factor "
            + share
            + " of head_dim "
            + headDim
            + " turns "
            + dims
            + " numbers; expected an even number of at most head_dim");
    return new Decoder.Positions.Rotary(
        dims, theta, rope.ropeScaling(keys, dims / 2), OptionalDouble.empty());
  }
}
