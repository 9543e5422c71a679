package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import dev.troupe.models.checkpoint.FamilyConfig.Defaults;
import dev.troupe.models.checkpoint.FamilyConfig.Sizes;
import java.util.List;
import java.util.OptionalInt;

/** The older families, with LayerNorm: GPT-2, GPT-NeoX, OPT and BLOOM. */
final class LayerNormFamilies {
  private LayerNormFamilies() {}

  static ModelConfig gpt2(String architecture, ConfigKeys keys) {
    keys.mustBe(
        "scale_attn_by_inverse_layer_idx", false, false, "scores scaled by layer cannot be run");
    // The later names, where a file has them, are read after its own and win.
    int hidden = keys.requiredInt(newer(keys, "hidden_size", "n_embd"));
    Sizes sizes =
        Sizes.shared(
            hidden,
            keys.integer("n_inner").orElse(4 * hidden),
            keys.layers(newer(keys, "num_hidden_layers", "n_layer")),
            keys.requiredInt(newer(keys, "num_attention_heads", "n_head")),
            keys.positive("layer_norm_epsilon", 1e-5),
            keys.integer(newer(keys, "max_position_embeddings", "n_positions"), 1024));
    boolean scaled = keys.bool("scale_attn_weights", true);
    return FamilyConfig.of(
        architecture,
        keys,
        sizes,
        Defaults.tied(List.of(50_256), OptionalInt.of(50_256), OptionalInt.empty()),
        new Decoder(
            Decoder.Norms.layerNorm(),
            Decoder.Attention.plain(
                    scaled ? FamilyConfig.plainScale(sizes.headDim()) : 1, true, true)
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

  static ModelConfig neox(String architecture, ConfigKeys keys) {
    Sizes sizes =
        Sizes.shared(
            keys.requiredInt("hidden_size"),
            keys.requiredInt("intermediate_size"),
            keys.layers("num_hidden_layers"),
            keys.requiredInt("num_attention_heads"),
            keys.positive("layer_norm_eps", 1e-5),
            keys.integer("max_position_embeddings", 2048));
    require(
        keys.integer("head_dim").orElse(sizes.headDim()) == sizes.headDim(),
        "head_dim is not hidden_size divided by num_attention_heads, which is what GPT-NeoX runs");
    boolean bias = keys.bool("attention_bias", true);
    return FamilyConfig.of(
        architecture,
        keys,
        sizes,
        new Defaults(
            0, false, 0, false, 0, 0, false, List.of(2), OptionalInt.of(0), OptionalInt.empty()),
        new Decoder(
            Decoder.Norms.layerNorm(),
            Decoder.Attention.plain(FamilyConfig.plainScale(sizes.headDim()), bias, bias).byHead(),
            new Decoder.Mlp(keys.activation("hidden_act", "gelu"), false, true),
            Rope.neox(keys, sizes.headDim(), sizes.positions()),
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

  static ModelConfig opt(String architecture, ConfigKeys keys) {
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
        Sizes.shared(
            hidden,
            keys.requiredInt("ffn_dim"),
            keys.layers("num_hidden_layers"),
            keys.requiredInt("num_attention_heads"),
            1e-5,
            keys.integer("max_position_embeddings", 2048));
    boolean bias = keys.bool("enable_bias", true);
    return FamilyConfig.of(
        architecture,
        keys,
        sizes,
        Defaults.tied(List.of(2), OptionalInt.of(2), OptionalInt.of(1)),
        new Decoder(
            Decoder.Norms.layerNorm(),
            Decoder.Attention.plain(FamilyConfig.plainScale(sizes.headDim()), bias, bias),
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

  static ModelConfig bloom(String architecture, ConfigKeys keys) {
    keys.mustBe(
        "apply_residual_connection_post_layernorm",
        false,
        false,
        "residuals taken behind the norm cannot be run");
    int hidden = keys.requiredInt(older(keys));
    require(
        keys.integer("n_inner").orElse(4 * hidden) == 4 * hidden,
        "n_inner is not 4 times hidden_size, which is what BLOOM runs; expected null");
    Sizes sizes =
        Sizes.shared(
            hidden,
            4 * hidden,
            keys.layers(newer(keys, "num_hidden_layers", "n_layer")),
            keys.requiredInt(newer(keys, "num_attention_heads", "n_head")),
            keys.positive("layer_norm_epsilon", 1e-5),
            keys.integer("seq_length", 2048));
    return FamilyConfig.of(
        architecture,
        keys,
        sizes,
        Defaults.tied(List.of(2), OptionalInt.of(1), OptionalInt.of(3)),
        new Decoder(
            new Decoder.Norms(true, false, false, false, true),
            Decoder.Attention.plain(FamilyConfig.plainScale(sizes.headDim()), true, true).byHead(),
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

  /** Of a key with a later name, the one that counts in this file. */
  private static String newer(ConfigKeys keys, String later, String own) {
    keys.mentions(own);
    return keys.mentions(later) ? later : own;
  }

  /** BLOOM's name for the width: the older one wins where it has a value. */
  private static String older(ConfigKeys keys) {
    keys.mentions("hidden_size");
    return keys.has("n_embed") ? "n_embed" : "hidden_size";
  }
}
