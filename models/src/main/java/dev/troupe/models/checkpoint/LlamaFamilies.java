package dev.troupe.models.checkpoint;

import static dev.troupe.models.checkpoint.ConfigKeys.require;

import dev.troupe.models.checkpoint.FamilyConfig.Defaults;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/** Llama and those of its kind: Mistral, Ministral, Phi-3, Qwen2 and Qwen3. */
final class LlamaFamilies {
  private static final Defaults LLAMA =
      new Defaults(
          0, true, 0, true, 1e-6, 2048, false, List.of(2), OptionalInt.of(1), OptionalInt.empty());

  private static final Defaults MISTRAL =
      new Defaults(
          0,
          true,
          8,
          false,
          1e-6,
          131_072,
          false,
          List.of(2),
          OptionalInt.of(1),
          OptionalInt.empty());

  private static final Defaults PHI3 =
      new Defaults(
          0,
          false,
          0,
          true,
          1e-5,
          4096,
          false,
          List.of(32_000),
          OptionalInt.of(1),
          OptionalInt.of(32_000));

  private static final Defaults QWEN2 = qwen(0);

  private static final Defaults QWEN3 = qwen(128);

  private LlamaFamilies() {}

  private static Defaults qwen(int headDim) {
    return new Defaults(
        headDim,
        false,
        32,
        true,
        1e-6,
        32_768,
        false,
        List.of(),
        OptionalInt.empty(),
        OptionalInt.empty());
  }

  static ModelConfig llama(String architecture, ConfigKeys keys) {
    boolean bias = keys.bool("attention_bias", false);
    onlyFull(keys);
    keys.mustBeOff("rope_interleaved", "pairs side by side cannot be run");
    int headDim = FamilyConfig.headDim(keys, LLAMA);
    return ofKind(
        architecture,
        keys,
        LLAMA,
        Decoder.Norms.rms(),
        Decoder.Attention.plain(FamilyConfig.plainScale(headDim), bias, bias),
        keys.bool("mlp_bias", false),
        Rope::common,
        Decoder.Names.llama());
  }

  /** Transformers ignores layer_types where a family has none; a file that has it means more. */
  private static void onlyFull(ConfigKeys keys) {
    require(
        !keys.layerTypes(keys.layers("num_hidden_layers")).orElse(List.of()).contains(true),
        "layer_types has sliding_attention, which this family does not run: it has no windows by layer");
  }

  /**
   * With {@code layer_types}, even null, transformers makes a Ministral of it, whose windows stand
   * there layer by layer; without, every layer has one unless {@code sliding_window} is null.
   */
  static ModelConfig mistral(String architecture, ConfigKeys keys) {
    boolean windows = !keys.mentions("sliding_window") || keys.has("sliding_window");
    List<Boolean> local =
        keys.layerTypes(keys.layers("num_hidden_layers"))
            .orElse(FamilyConfig.everyLayer(keys, windows));
    require(
        windows || !local.contains(true),
        "layer_types has sliding_attention, but sliding_window is null");
    int headDim = FamilyConfig.headDim(keys, MISTRAL);
    return ofKind(
        architecture,
        keys,
        MISTRAL,
        Decoder.Norms.rms(),
        FamilyConfig.windowed(
            Decoder.Attention.plain(FamilyConfig.plainScale(headDim), false, false),
            keys,
            4096,
            local),
        false,
        Rope::common,
        Decoder.Names.llama());
  }

  static ModelConfig phi3(String architecture, ConfigKeys keys) {
    int headDim = FamilyConfig.headDim(keys, PHI3);
    boolean windows = keys.has("sliding_window");
    List<Boolean> every = FamilyConfig.everyLayer(keys, windows);
    // Transformers keeps its cache by them alone, and windows the layers by sliding_window.
    List<Boolean> types = keys.layerTypes(every.size()).orElse(every);
    require(
        types.stream().distinct().count() <= 1,
        "layer_types is not the same for every layer, as Phi-3 has it: windows in all layers where sliding_window is set, otherwise in none");
    require(
        windows || !types.contains(true),
        "layer_types has sliding_attention, but sliding_window is not set");
    Decoder.Names llama = Decoder.Names.llama();
    return ofKind(
        architecture,
        keys,
        PHI3,
        Decoder.Norms.rms(),
        FamilyConfig.windowed(
            Decoder.Attention.plain(FamilyConfig.plainScale(headDim), false, false),
            keys,
            0,
            every),
        false,
        Rope::phi3,
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
            ""));
  }

  static ModelConfig qwen2(String architecture, ConfigKeys keys) {
    int headDim = FamilyConfig.headDim(keys, QWEN2);
    return ofKind(
        architecture,
        keys,
        QWEN2,
        Decoder.Norms.rms(),
        qwenWindows(Decoder.Attention.plain(FamilyConfig.plainScale(headDim), true, false), keys),
        false,
        Rope::common,
        Decoder.Names.llama());
  }

  static ModelConfig qwen3(String architecture, ConfigKeys keys) {
    boolean bias = keys.bool("attention_bias", false);
    int headDim = FamilyConfig.headDim(keys, QWEN3);
    return ofKind(
        architecture,
        keys,
        QWEN3,
        new Decoder.Norms(false, false, false, true, false),
        qwenWindows(Decoder.Attention.plain(FamilyConfig.plainScale(headDim), bias, bias), keys),
        false,
        Rope::common,
        Decoder.Names.llama());
  }

  /** Qwen's sliding windows are off unless asked for; then layers from some one on have them. */
  private static Decoder.Attention qwenWindows(Decoder.Attention plain, ConfigKeys keys) {
    int layers = keys.layers("num_hidden_layers");
    boolean set = !keys.mentions("sliding_window") || keys.has("sliding_window");
    boolean on = keys.bool("use_sliding_window", false) && set;
    int first = keys.integer("max_window_layers", 28);
    List<Boolean> local =
        keys.layerTypes(layers)
            .orElseGet(
                () -> IntStream.range(0, layers).mapToObj(layer -> on && layer >= first).toList());
    require(
        on || !local.contains(true),
        "layer_types has sliding_attention, but use_sliding_window is false or sliding_window null");
    return FamilyConfig.windowed(plain, keys, 4096, local);
  }

  /** Reads rotary positions. */
  private interface Rotation {
    Decoder.Positions read(ConfigKeys keys, int headDim, int positions);
  }

  private static ModelConfig ofKind(
      String architecture,
      ConfigKeys keys,
      Defaults defaults,
      Decoder.Norms norms,
      Decoder.Attention attention,
      boolean mlpBias,
      Rotation rope,
      Decoder.Names names) {
    int headDim = FamilyConfig.headDim(keys, defaults);
    int positions = FamilyConfig.positions(keys, defaults);
    return FamilyConfig.of(
        architecture,
        keys,
        defaults,
        new Decoder(
            norms,
            attention,
            new Decoder.Mlp(keys.activation("hidden_act", "silu"), true, mlpBias),
            rope.read(keys, headDim, positions),
            false,
            1,
            0,
            names));
  }
}
