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

  private record Sizes(
      int hidden,
      int inner,
      int layers,
      int heads,
      int kvHeads,
      int headDim,
      double normEps,
      int positions) {}

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
    KNOWN.put("GPT2LMHeadModel", new Family("gpt2", Families::gpt2));
    KNOWN.put("GPTNeoXForCausalLM", new Family("gpt_neox", Families::neox));
    KNOWN.put("OPTForCausalLM", new Family("opt", Families::opt));
    KNOWN.put("BloomForCausalLM", new Family("bloom", Families::bloom));
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
    Decoder.Attention plain = Decoder.Attention.plain(plainScale(headDim), false, false);
    return config(
        architecture,
        keys,
        defaults,
        new Decoder(
            Decoder.Norms.rms(),
            windowed ? plain.windowed(window(keys, 4096), everyLayer(keys, true)) : plain,
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
                "",
                "",
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
        "post_feedforward_layernorm",
        "",
        "");
  }

  private static int window(ConfigKeys keys, int otherwise) {
    int width = keys.integer("sliding_window").orElse(otherwise);
    require(width > 0, "sliding_window must be positive, found " + width);
    return width;
  }

  private static ModelConfig gpt2(String architecture, ConfigKeys keys) {
    keys.mustBe(
        "scale_attn_by_inverse_layer_idx", false, false, "scores scaled by layer cannot be run");
    keys.mustBe("add_cross_attention", false, false, "cross-attention cannot be run");
    int hidden = keys.requiredInt("n_embd");
    Sizes sizes =
        sizes(
            hidden,
            keys.integer("n_inner").orElse(4 * hidden),
            keys.layers("n_layer"),
            keys.requiredInt("n_head"),
            keys.positive("layer_norm_epsilon", 1e-5),
            keys.integer("n_positions").orElse(1024));
    boolean scaled = keys.bool("scale_attn_weights", true);
    return config(
        architecture,
        keys,
        sizes,
        tied(List.of(50_256), OptionalInt.of(50_256), OptionalInt.empty()),
        new Decoder(
            Decoder.Norms.layerNorm(),
            Decoder.Attention.plain(scaled ? plainScale(sizes.headDim) : 1, true, true)
                .transposedMatrices(),
            new Decoder.Mlp(keys.activation("activation_function", "gelu_new"), false, true),
            new Decoder.Positions.Learned(0),
            false,
            1,
            0,
            new Decoder.Names(
                "transformer.wte",
                "transformer.ln_f",
                "lm_head",
                "transformer.h.%d.",
                "ln_1",
                List.of("attn.c_attn"),
                "attn.c_proj",
                "",
                "ln_2",
                List.of("mlp.c_fc"),
                "mlp.c_proj",
                "",
                "transformer.wpe",
                "")));
  }

  private static ModelConfig neox(String architecture, ConfigKeys keys) {
    Sizes sizes =
        sizes(
            keys.requiredInt("hidden_size"),
            keys.requiredInt("intermediate_size"),
            keys.layers("num_hidden_layers"),
            keys.requiredInt("num_attention_heads"),
            keys.positive("layer_norm_eps", 1e-5),
            keys.integer("max_position_embeddings").orElse(2048));
    boolean bias = keys.bool("attention_bias", true);
    return config(
        architecture,
        keys,
        sizes,
        new Defaults(0, 0, 0, 0, false, List.of(2), OptionalInt.of(0), OptionalInt.empty()),
        new Decoder(
            Decoder.Norms.layerNorm(),
            Decoder.Attention.plain(plainScale(sizes.headDim), bias, bias).byHead(),
            new Decoder.Mlp(keys.activation("hidden_act", "gelu"), false, true),
            rotary(keys, sizes.headDim, "rotary_emb_base", "rotary_pct", 0.25),
            keys.bool("use_parallel_residual", true),
            1,
            0,
            new Decoder.Names(
                "gpt_neox.embed_in",
                "gpt_neox.final_layer_norm",
                "embed_out",
                "gpt_neox.layers.%d.",
                "input_layernorm",
                List.of("attention.query_key_value"),
                "attention.dense",
                "",
                "post_attention_layernorm",
                List.of("mlp.dense_h_to_4h"),
                "mlp.dense_4h_to_h",
                "",
                "",
                "")));
  }

  private static ModelConfig opt(String architecture, ConfigKeys keys) {
    keys.mustBe(
        "do_layer_norm_before", true, true, "norms behind the layers cannot be run (OPT-350m)");
    keys.mustBe(
        "_remove_final_layer_norm", false, false, "a model without a final norm cannot be run");
    keys.mustBe("layer_norm_elementwise_affine", true, true, "norms without weights cannot be run");
    int hidden = keys.requiredInt("hidden_size");
    int inner = keys.integer("word_embed_proj_dim").orElse(hidden);
    require(
        inner == hidden,
        "word_embed_proj_dim "
            + inner
            + " cannot be run; expected hidden_size, "
            + hidden
            + " (OPT-350m projects its embeddings)");
    Sizes sizes =
        sizes(
            hidden,
            keys.requiredInt("ffn_dim"),
            keys.layers("num_hidden_layers"),
            keys.requiredInt("num_attention_heads"),
            1e-5,
            keys.integer("max_position_embeddings").orElse(2048));
    boolean bias = keys.bool("enable_bias", true);
    return config(
        architecture,
        keys,
        sizes,
        tied(List.of(2), OptionalInt.of(2), OptionalInt.of(1)),
        new Decoder(
            Decoder.Norms.layerNorm(),
            Decoder.Attention.plain(plainScale(sizes.headDim), bias, bias),
            new Decoder.Mlp(keys.activation("activation_function", "relu"), false, bias),
            new Decoder.Positions.Learned(2),
            false,
            1,
            0,
            new Decoder.Names(
                "model.decoder.embed_tokens",
                "model.decoder.final_layer_norm",
                "lm_head",
                "model.decoder.layers.%d.",
                "self_attn_layer_norm",
                List.of("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
                "self_attn.out_proj",
                "",
                "final_layer_norm",
                List.of("fc1"),
                "fc2",
                "",
                "model.decoder.embed_positions",
                "")));
  }

  private static ModelConfig bloom(String architecture, ConfigKeys keys) {
    keys.mustBe(
        "apply_residual_connection_post_layernorm",
        false,
        false,
        "residuals taken behind the norm cannot be run");
    int hidden = keys.requiredInt(keys.has("n_embed") ? "n_embed" : "hidden_size");
    String layers = keys.has("num_hidden_layers") ? "num_hidden_layers" : "n_layer";
    String heads = keys.has("num_attention_heads") ? "num_attention_heads" : "n_head";
    Sizes sizes =
        sizes(
            hidden,
            4 * hidden,
            keys.layers(layers),
            keys.requiredInt(heads),
            keys.positive("layer_norm_epsilon", 1e-5),
            keys.integer("seq_length").orElse(2048));
    return config(
        architecture,
        keys,
        sizes,
        tied(List.of(2), OptionalInt.of(1), OptionalInt.of(3)),
        new Decoder(
            new Decoder.Norms(true, false, false, false, true),
            Decoder.Attention.plain(plainScale(sizes.headDim), true, true).byHead(),
            new Decoder.Mlp(Decoder.Activation.GELU_TANH, false, true),
            new Decoder.Positions.Alibi(),
            false,
            1,
            0,
            new Decoder.Names(
                "transformer.word_embeddings",
                "transformer.ln_f",
                "lm_head",
                "transformer.h.%d.",
                "input_layernorm",
                List.of("self_attention.query_key_value"),
                "self_attention.dense",
                "",
                "post_attention_layernorm",
                List.of("mlp.dense_h_to_4h"),
                "mlp.dense_4h_to_h",
                "",
                "",
                "transformer.word_embeddings_layernorm")));
  }

  /** Of a family whose output matrix is the embedding unless it says otherwise. */
  private static Defaults tied(List<Integer> eos, OptionalInt bos, OptionalInt pad) {
    return new Defaults(0, 0, 0, 0, true, eos, bos, pad);
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
    int kvHeads =
        keys.json().has("num_key_value_heads") || defaults.kvHeads == 0
            ? keys.integer("num_key_value_heads").orElse(heads)
            : defaults.kvHeads;
    int positions = keys.integer("max_position_embeddings").orElse(defaults.maxPositions);
    return config(
        architecture,
        keys,
        new Sizes(
            keys.requiredInt("hidden_size"),
            keys.requiredInt("intermediate_size"),
            keys.layers("num_hidden_layers"),
            heads,
            kvHeads,
            headDim(keys, defaults),
            keys.positive("rms_norm_eps", defaults.normEps),
            Math.min(positions, decoder.positions().longest())),
        defaults,
        decoder);
  }

  /** Of a network without grouped queries, whose heads share the width. */
  private static Sizes sizes(
      int hidden, int inner, int layers, int heads, double eps, int positions) {
    require(
        heads > 0 && hidden % heads == 0,
        "the width " + hidden + " is not a multiple of the " + heads + " attention heads");
    return new Sizes(hidden, inner, layers, heads, heads, hidden / heads, eps, positions);
  }

  private static ModelConfig config(
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

  private static Decoder.Positions rotary(ConfigKeys keys, int headDim) {
    return rotary(keys, headDim, "rope_theta", "partial_rotary_factor", 1);
  }

  /** Its base and the share of a head that turns, by the family's names for them. */
  private static Decoder.Positions rotary(
      ConfigKeys keys, int headDim, String base, String part, double share) {
    ConfigKeys rope = keys.object(keys.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
    double theta = keys.has(base) ? keys.positive(base, 1) : rope.positive("rope_theta", 10_000);
    double turning =
        keys.has(part) ? keys.positive(part, 1) : rope.positive("partial_rotary_factor", share);
    int dims = (int) (headDim * turning);
    require(headDim % 2 == 0, "head_dim " + headDim + " is odd; rotary positions need pairs");
    require(
        turning <= 1 && dims > 0 && dims % 2 == 0,
        part
            + " "
            + turning
            + " of head_dim "
            + headDim
            + " turns "
            + dims
            + " numbers; expected an even number of at most head_dim");
    return new Decoder.Positions.Rotary(
        dims, theta, rope.ropeScaling(keys, dims / 2), OptionalDouble.empty());
  }
}
