package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the families' configurations mean where it is easy to get wrong, and what is refused. */
final class FamiliesTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "gemma3 | use_bidirectional_attention | true | use_bidirectional_attention is true; a model that looks ahead cannot generate"
            + " text",
        "gemma3 | attn_logit_softcapping | 50.0 | attn_logit_softcapping is set, which Gemma 3 as transformers runs it does not have;"
            + " expected null",
        "gemma3 | layer_types | [\"full_attention\"] | layer_types must list one type for each of the 4 layers, found"
            + " [\"full_attention\"]",
        "gemma3 | layer_types | [\"a\",\"a\",\"a\",\"a\"] | layer_types names \"a\", which cannot be run; known are full_attention,"
            + " sliding_attention",
        "gemma2 | sliding_window | 0 | sliding_window must be positive, found 0",
        "gemma2 | final_logit_softcapping | -1 | final_logit_softcapping must be positive, found -1",
        "qwen2 | layer_types | [\"full_attention\",\"sliding_attention\",\"full_attention\"] | layer_types has sliding_attention, but"
            + " use_sliding_window is false or sliding_window null",
        "qwen3 | rope_scaling | {\"rope_type\":\"mrope\"} | rope_scaling of type 'mrope' cannot be run; known are default, linear,"
            + " dynamic, llama3, yarn, longrope",
        "gpt2 | scale_attn_by_inverse_layer_idx | true | scale_attn_by_inverse_layer_idx is true; scores scaled by layer cannot be run",
        "gpt2 | activation_function | \"mish\" | activation_function 'mish' cannot be run; known are silu, gelu, gelu_new, gelu_fast,"
            + " gelu_pytorch_tanh, relu",
        "gpt2 | n_head | 6 | the width 35 is not a multiple of the 6 attention heads",
        "gpt-neox | rotary_pct | 0.4 | rotary_pct 0.4 of head_dim 8 turns 3 numbers; expected an even number of at most head_dim",
        "opt | do_layer_norm_before | false | do_layer_norm_before is false; norms behind the layers cannot be run (OPT-350m)",
        "opt | word_embed_proj_dim | 16 | word_embed_proj_dim 16 cannot be run; expected hidden_size, 35 (OPT-350m projects its"
            + " embeddings)",
        "bloom | apply_residual_connection_post_layernorm | true | apply_residual_connection_post_layernorm is true; residuals taken"
            + " behind the norm cannot be run",
      })
  void parse_unsupportedChoice_isRefusedByName(
      String family, String key, String value, String message) throws IOException {
    ObjectNode json = source(family);
    json.set(key, new ObjectMapper().readTree(value));
    assertThatThrownBy(() -> ModelConfig.parse(json, "test"))
        .isInstanceOf(CheckpointException.class)
        .hasMessage("test: " + message + ".");
  }

  @Test
  void gemma_absentKeys_takeItsDefaults() {
    ObjectNode json = source("gemma3");
    json.remove(List.of("layer_types", "sliding_window", "tie_word_embeddings", "head_dim"));
    json.remove(List.of("query_pre_attn_scalar", "num_key_value_heads", "rope_local_base_freq"));
    json.remove(List.of("sliding_window_pattern", "_sliding_window_pattern", "rope_scaling"));
    json.put("num_hidden_layers", 12);
    ModelConfig config = ModelConfig.parse(json, "test");
    assertThat(config.headDim()).isEqualTo(256);
    assertThat(config.kvHeads()).isEqualTo(4);
    assertThat(config.tiedEmbeddings()).isTrue();
    assertThat(config.decoder().attention().window()).isEqualTo(4096);
    assertThat(config.decoder().attention().scale()).isEqualTo(1 / 16.0);
    assertThat(config.decoder().attention().local())
        .isEqualTo(
            List.of(true, true, true, true, true, false, true, true, true, true, true, false));
    assertThat(config.localRotaryFrequencies()[1]).isEqualTo(Math.pow(10_000, -2 / 256.0));
    assertThat(config.rotaryFrequencies()[1]).isEqualTo(Math.pow(1_000_000, -2 / 256.0));
  }

  @Test
  void gemma2_capsAreThirtyAndFifty_butNoneWhenNull() {
    ObjectNode json = source("gemma2");
    json.remove(List.of("final_logit_softcapping", "attn_logit_softcapping"));
    assertThat(ModelConfig.parse(json, "test").decoder().finalSoftcap()).isEqualTo(30);
    assertThat(ModelConfig.parse(json, "test").decoder().attention().softcap()).isEqualTo(50);
    json.putNull("final_logit_softcapping").putNull("attn_logit_softcapping");
    assertThat(ModelConfig.parse(json, "test").decoder().finalSoftcap()).isZero();
    assertThat(ModelConfig.parse(json, "test").decoder().attention().softcap()).isZero();
  }

  @Test
  void mistral_windowIsTheDefaultWhenAbsent_noneWhenNull() {
    ObjectNode json = source("mistral");
    json.remove("sliding_window");
    Decoder.Attention absent = ModelConfig.parse(json, "test").decoder().attention();
    assertThat(absent.window()).isEqualTo(4096);
    assertThat(absent.local()).isEqualTo(Collections.nCopies(3, true));
    json.putNull("sliding_window");
    assertThat(ModelConfig.parse(json, "test").decoder().attention().local()).isEmpty();
  }

  @Test
  void dynamicScaling_withinTheContext_isNone() {
    ObjectNode json = source("llama-dynamic");
    double[] dynamic = ModelConfig.parse(json, "test").rotaryFrequencies();
    json.putNull("rope_scaling");
    assertThat(dynamic).isEqualTo(ModelConfig.parse(json, "test").rotaryFrequencies());
  }

  @Test
  void longRope_isSteadyWithinTheOriginalContext() {
    ModelConfig phi = ModelConfig.read(Golden.path("families/phi3-longrope"));
    assertThat(phi.maxPositionEmbeddings()).isEqualTo(640);
    assertThat(phi.steadyContext()).isEqualTo(160);
    assertThat(phi.turns(false).orElseThrow().frequencies(false)[3])
        .isEqualTo(Math.pow(10_000, -6 / 8.0) / 2.0);
    assertThat(phi.turns(false).orElseThrow().frequencies(true)[3])
        .isEqualTo(Math.pow(10_000, -6 / 8.0) / 6.0);
    ModelConfig dynamic = ModelConfig.read(Golden.path("families/llama-dynamic-limit"));
    assertThat(dynamic.steadyContext()).isEqualTo(dynamic.maxPositionEmbeddings());
  }

  @Test
  void toJson_keepsEveryKeyOfTheSource() {
    ObjectNode json = source("gpt-neox");
    json.putNull("a_key_of_tomorrow").put("prefix", "x");
    ObjectNode written = ModelConfig.parse(json, "test").toJson(DType.BF16);
    assertThat(written.get("prefix").asText()).isEqualTo("x");
    assertThat(written.has("a_key_of_tomorrow")).isTrue();
    assertThat(written.get("torch_dtype").asText()).isEqualTo("bfloat16");
    assertThat(written.has("dtype")).isFalse();
  }

  private static ObjectNode source(String family) {
    return JsonFile.read(Golden.path("families/" + family).resolve("config.json"));
  }
}
