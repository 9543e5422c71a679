package dev.troupe.models.peft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of methods beside LoRA: read, written, and refused by name. */
final class MethodFilesTest {
  private static final ModelConfig BASE = ModelConfig.read(Golden.path("gqa-tied-bf16"));
  private static final ModelConfig GPT2 = ModelConfig.read(Golden.path("families/gpt2"));
  private static final Targets ALL = new Targets(new Modules.AllLinear());

  @ParameterizedTest
  @ValueSource(
      strings = {
        "ia3",
        "ia3-mixed",
        "loha",
        "lokr",
        "lokr-both",
        "oft",
        "oft-exact",
        "oft-terms",
        "boft",
        "vera",
        "adalora",
        "prefix",
        "prefix-encoder",
        "prompt",
        "prompt-encoder",
        "ln-tuning"
      })
  void write_whatPeftSaved_isReadBackEqual_underPeftsKeys(String name, @TempDir Path directory) {
    Path golden = Golden.path("adapters/" + name);
    Adapter theirs = Adapter.read(golden, BASE);
    theirs.write(directory);
    Adapter ours = Adapter.read(directory, BASE);
    assertThat(ours.config()).isEqualTo(theirs.config());
    assertThat(ours.tensors()).isEqualTo(theirs.tensors());
    ObjectNode keys = JsonFile.read(golden.resolve("adapter_config.json"));
    JsonFile.read(directory.resolve("adapter_config.json"))
        .properties()
        .forEach(
            entry -> {
              if (!entry.getKey().equals("peft_version")) {
                assertThat(String.valueOf(entry.getValue()))
                    .as(entry.getKey())
                    .isEqualTo(String.valueOf(keys.get(entry.getKey())));
              }
            });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "oft | coft | true | coft is true; constrained OFT cannot be used.",
        "oft | block_share | true | block_share is true; one turn for all blocks cannot be used.",
        "oft | bias | \"all\" | bias 'all' cannot be used with OFT; expected none.",
        "oft | r | 4 | either r (the number of blocks) or oft_block_size must be above 0, the other 0; found 4 and 8.",
        "oft | peft_version | \"0.17.1\" | peft_version is \"0.17.1\", and before 0.18 PEFT ended the series of OFT otherwise;"
            + " merge it with the PEFT that trained it.",
        "oft | peft_version | null | peft_version is null, and before 0.18 PEFT ended the series of OFT otherwise;"
            + " merge it with the PEFT that trained it.",
        "lokr | decompose_factor | 0 | decompose_factor must be -1 or at least 1, found 0.",
        "lokr | r | 0 | r must be at least 1, found 0.",
        "loha | alpha | \"5\" | alpha must be a number, found \"5\".",
        "loha | use_novelty | true | use_novelty is true; this option is not known here.",
        "loha | layers_pattern | \"layers\" | layers_pattern goes with layers_to_transform only.",
        "boft | boft_n_butterfly_factor | 2 | boft_n_butterfly_factor is 2, and only one factor is known here; PEFT itself has more with its"
            + " CUDA extension alone.",
        "boft | boft_block_size | 7 | boft_block_size 7 does not divide the 64 inputs of 'model.layers.0.self_attn.q_proj'.",
        "adalora | bias | \"all\" | bias 'all' cannot be used with AdaLoRA; expected none.",
        "adalora | init_r | 5 | rank_pattern 'model.layers.0.mlp.down_proj' must have init_r, 5, entries, found 4.",
        "adalora | rank_pattern | {\"q_proj\": [true]} | rank_pattern must have a list of true and false for each '….lora_E', found q_proj.",
        "vera | projection_prng_key | \"a\" | projection_prng_key must be a whole number, found \"a\".",
        "prefix | num_virtual_tokens | 4096 | 4096 virtual tokens leave no room for a text in the context of 128 tokens.",
        "prefix | num_attention_heads | 4 | PREFIX_TUNING was made for token_dim 16, num_attention_heads 4 and num_layers 3; this"
            + " LlamaForCausalLM has 16, 2 and 3.",
        "prompt | num_transformer_submodules | 2 | num_transformer_submodules is 2; a decoder alone has 1.",
        "prompt | prompt_tuning_init | \"LUCK\" | prompt_tuning_init 'LUCK' is not known; expected RANDOM, SAMPLE_VOCAB or TEXT.",
        "ia3 | target_modules | [\"query\"] | target_modules finds nothing in this base; its linear layers are q_proj, k_proj,"
            + " v_proj, o_proj, gate_proj, up_proj, down_proj.",
        "ln-tuning | target_modules | [\"ln_1\"] | no norm 'ln_1' in this LlamaForCausalLM; it has input_layernorm,"
            + " post_attention_layernorm, norm.",
        "ln-tuning | exclude_modules | [\"norm\"] | exclude_modules is [\"norm\"]; norms that are left out cannot be used.",
        "ln-tuning | modules_to_save | [\"norm\"] | modules_to_save names 'model.layers.0.input_layernorm', whose weight"
            + " ln-tuning of [input_layernorm, norm] trains as well.",
      })
  void read_whatCannotBe_isNamed(
      String name, String key, String value, String message, @TempDir Path directory)
      throws Exception {
    Golden.copy("adapters/" + name, directory);
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    json.set(key, new ObjectMapper().readTree(value));
    JsonFile.write(file, json);
    assertThatThrownBy(() -> Adapter.read(directory, BASE))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(file + ": " + message);
  }

  @Test
  void read_adapterOfAnotherBase_namesTensorAndShapes() {
    ModelConfig other = ModelConfig.read(Golden.path("linear-rope-fp32"));
    assertThatThrownBy(() -> Adapter.read(Golden.path("adapters/ia3"), other))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("ia3_l' has shape [")
        .hasMessageContaining("the adapter was trained on another base");
  }

  @Test
  void methodsThatPeftLacksForTransposedLayers_areRefusedByName() {
    for (ModuleMethod method :
        List.of(
            new Loha(ALL, 2, 2, Map.of(), Map.of()),
            new Lokr(ALL, 2, 2, -1, false, Map.of(), Map.of()),
            new Oft(ALL, 0, 4, 5))) {
      assertThatThrownBy(() -> method.tensors(GPT2))
          .hasMessage(
              "PEFT has no "
                  + method.type()
                  + " for layers that are stored transposed (Conv1D), such as 'transformer.h.0.attn.c_attn' of this"
                  + " GPT2LMHeadModel; use lora, vera or ia3");
    }
  }

  @Test
  void partial_ofWhatTheModelHasNot_isRefused() {
    assertThatThrownBy(() -> new Partial(4, Optional.empty()).whole(BASE))
        .hasMessage("the last 4 layers are to be trained, and the model has 3");
    assertThatThrownBy(() -> new Partial(0, Optional.of("lm_head.*")).whole(BASE))
        .hasMessage(
            "the regular expression 'lm_head.*' matches no tensor of this LlamaForCausalLM as a whole; one of them is"
                + " model.embed_tokens.weight");
  }

  @Test
  void ownMethods_areWrittenAndReadBack(@TempDir Path directory) throws Exception {
    Files.createDirectories(directory);
    for (PeftMethod method : List.of(new Partial(1, Optional.of(".*ln_f.*")), new Bitfit())) {
      AdapterConfig config = new AdapterConfig(method, true, "base");
      JsonFile.write(directory.resolve("adapter_config.json"), config.toJson());
      assertThat(AdapterConfig.read(directory, GPT2)).isEqualTo(config);
    }
    assertThat(new Bitfit().whole(GPT2))
        .containsEntry("transformer.ln_f.bias", "transformer.ln_f.bias")
        .allSatisfy((name, stored) -> assertThat(stored).endsWith(".bias"));
  }

  /** The families' names of keys, values and the layer that closes the MLP. */
  @ParameterizedTest
  @CsvSource({
    "gqa-tied-bf16, mlp.down_proj self_attn.k_proj self_attn.v_proj, mlp.down_proj",
    "families/gpt2, attn.c_attn mlp.c_proj, mlp.c_proj",
    "families/opt, fc2 self_attn.k_proj self_attn.v_proj, fc2",
    "families/gpt-neox, attention.query_key_value mlp.dense_4h_to_h, mlp.dense_4h_to_h",
  })
  void ia3_usual_namesWhatTheFamilyHas(String base, String targets, String feedforward) {
    Ia3 usual = Ia3.usual(ModelConfig.read(Golden.path(base)));
    assertThat(usual.targets().modules())
        .isEqualTo(new Modules.Names(List.of(targets.split(" ", -1))));
    assertThat(usual.feedforward()).isEqualTo(new Modules.Names(List.of(feedforward)));
  }

  /** PEFT's own factors, of sizes that models have. */
  @ParameterizedTest
  @CsvSource({"768, 24, 32", "2048, 32, 64", "11008, 86, 128", "127, 1, 127"})
  void lokr_factorsAreThoseNearestToTheRoot(int size, int outer, int inner) {
    LinearModule square = new LinearModule(0, AdaptedLinear.O_PROJ, "o_proj", size, size, 0, false);
    List<ModuleTensor> tensors =
        new Lokr(ALL, inner, 1, -1, false, Map.of(), Map.of()).tensors(square);
    assertThat(tensors.get(0).shape()).isEqualTo(Shape.of(outer, outer));
    assertThat(tensors.get(2).shape()).isEqualTo(Shape.of(inner, inner));
  }
}
