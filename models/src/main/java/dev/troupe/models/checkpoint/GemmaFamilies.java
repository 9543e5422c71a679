package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import dev.troupe.models.checkpoint.FamilyConfig.Defaults;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** Gemma 2 and the text part of Gemma 3. */
final class GemmaFamilies {
  private static final Defaults GEMMA2 = gemma(8192);
  private static final Defaults GEMMA3 = gemma(131_072);

  private GemmaFamilies() {}

  private static Defaults gemma(int maxPositions) {
    return new Defaults(
        256,
        false,
        4,
        false,
        1e-6,
        maxPositions,
        true,
        List.of(1),
        OptionalInt.of(2),
        OptionalInt.of(0));
  }

  static ModelConfig gemma2(String architecture, ConfigKeys keys) {
    int headDim = FamilyConfig.headDim(keys, GEMMA2);
    return of(
        architecture,
        keys,
        GEMMA2,
        new Decoder.Norms(false, true, true, false, false),
        attention(keys, 2).capped(keys.cap("attn_logit_softcapping", 50)),
        Rope.common(keys, headDim, FamilyConfig.positions(keys, GEMMA2)),
        30);
  }

  static ModelConfig gemma3(String architecture, ConfigKeys keys) {
    require(
        !keys.has("attn_logit_softcapping"),
        "attn_logit_softcapping is set, which Gemma 3 as transformers runs it does not have; expected null");
    int headDim = FamilyConfig.headDim(keys, GEMMA3);
    // _sliding_window_pattern, which transformers writes, is not what it reads.
    int pattern = keys.has("layer_types") ? 6 : keys.integer("sliding_window_pattern", 6);
    return of(
        architecture,
        keys,
        GEMMA3,
        new Decoder.Norms(false, true, true, true, false),
        attention(keys, pattern),
        Rope.gemma3(keys, headDim, FamilyConfig.positions(keys, GEMMA3)),
        0);
  }

  private static ModelConfig of(
      String architecture,
      ConfigKeys keys,
      Defaults defaults,
      Decoder.Norms norms,
      Decoder.Attention attention,
      Decoder.Positions positions,
      double finalCap) {
    keys.mustBeOff("use_bidirectional_attention", "a model that looks ahead cannot generate text");
    return FamilyConfig.of(
        architecture,
        keys,
        defaults,
        new Decoder(
            norms,
            attention,
            new Decoder.Mlp(keys.activation("hidden_activation", "gelu_pytorch_tanh"), true, false),
            positions,
            false,
            Math.sqrt(keys.requiredInt("hidden_size")),
            keys.cap("final_logit_softcapping", finalCap),
            names()));
  }

  /** Of every {@code pattern} layers the last sees everything, unless {@code layer_types} says. */
  private static Decoder.Attention attention(ConfigKeys keys, int pattern) {
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
    return FamilyConfig.windowed(Decoder.Attention.plain(scale, bias, bias), keys, 4096, local);
  }

  private static Decoder.Names names() {
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
}
