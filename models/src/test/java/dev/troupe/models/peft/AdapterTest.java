package dev.troupe.models.peft;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class AdapterTest {
  private static final ModelConfig BASE = ModelConfig.read(Golden.path("gqa-tied-bf16"));

  @Test
  void read_savedByPeft_hasEveryTensor() {
    Adapter adapter = Adapter.read(Golden.path("gqa-adapter"), BASE);
    assertThat(adapter.config())
        .isEqualTo(
            new AdapterConfig(4, 10, EnumSet.allOf(AdaptedLinear.class), false, "gqa-tied-bf16"));
    assertThat(adapter.config().lora().orElseThrow().pairs(BASE))
        .extracting(LoraPair::scale)
        .containsOnly(2.5);
    assertThat(adapter.tensors()).hasSize(3 * 7 * 2);
    TensorData down = adapter.tensors().get("model.layers.2.mlp.down_proj.lora_A.weight");
    assertThat(down.shape()).isEqualTo(Shape.of(4, 96));
    TensorData key = adapter.tensors().get("model.layers.0.self_attn.k_proj.lora_B.weight");
    assertThat(key.shape()).isEqualTo(Shape.of(16, 4));
    assertThat(key.values().get(0)).as("B is not zero").isNotEqualTo(0f);
  }

  @Test
  void write_whatPeftSaved_givesTheSameTensors(@TempDir Path directory) {
    Adapter.read(Golden.path("gqa-adapter"), BASE).write(directory);
    try (SafetensorsFile ours =
            SafetensorsFile.open(directory.resolve("adapter_model.safetensors"));
        SafetensorsFile theirs =
            SafetensorsFile.open(Golden.path("gqa-adapter").resolve("adapter_model.safetensors"))) {
      assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(theirs.names());
      assertThat(ours.metadata()).isEqualTo(theirs.metadata());
      for (String name : theirs.names()) {
        assertThat(ours.shape(name)).isEqualTo(theirs.shape(name));
        assertThat(ours.bytes(name)).isEqualTo(theirs.bytes(name));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"rslora-regex", "patterns", "all-linear", "dora"})
  void write_everyChoiceThatPeftSaved_isReadBackEqual(String name, @TempDir Path directory) {
    Adapter theirs = Adapter.read(Golden.path("adapters/" + name), BASE);
    theirs.write(directory);
    Adapter ours = Adapter.read(directory, BASE);
    assertThat(ours.config()).isEqualTo(theirs.config());
    theirs
        .tensors()
        .forEach((key, data) -> assertThat(ours.tensors().get(key)).as(key).isEqualTo(data));
  }

  @Test
  void patterns_giveEachLayerItsRankAndScale() {
    Adapter adapter = Adapter.read(Golden.path("adapters/patterns"), BASE);
    assertThat(adapter.config().lora().orElseThrow().pairs(BASE))
        .extracting(pair -> pair.module().name() + " " + pair.rank() + " " + pair.scale())
        .containsExactly(
            "model.layers.0.self_attn.q_proj 5 1.5",
            "model.layers.0.self_attn.k_proj 1 7.5",
            "model.layers.0.self_attn.o_proj 2 3.75",
            "model.layers.0.mlp.up_proj 2 3.75",
            "model.layers.2.self_attn.q_proj 2 1.5",
            "model.layers.2.self_attn.k_proj 1 3.0",
            "model.layers.2.self_attn.o_proj 2 1.5",
            "model.layers.2.mlp.up_proj 2 1.5");
  }

  /** The keys and values that PEFT 0.17.1 was seen to load, see check_written.py. */
  @Test
  void write_config_hasWhatPeftReads(@TempDir Path directory) throws Exception {
    Adapter.read(Golden.path("gqa-adapter"), BASE).write(directory);
    ObjectNode ours = JsonFile.read(directory.resolve("adapter_config.json"));
    ObjectNode theirs = JsonFile.read(Golden.path("gqa-adapter").resolve("adapter_config.json"));
    ObjectMapper mapper = new ObjectMapper();
    ours.properties()
        .forEach(
            entry ->
                assertThat(mapper.valueToTree(entry.getValue()).toString())
                    .as(entry.getKey())
                    .isEqualTo(theirs.get(entry.getKey()).toString()));
    assertThat(ours.fieldNames())
        .toIterable()
        .contains(
            "peft_type",
            "task_type",
            "r",
            "lora_alpha",
            "target_modules",
            "base_model_name_or_path");
  }

  @Test
  void head_isSavedAsASequenceClassifiersScore(@TempDir Path directory) {
    AdapterConfig config = new AdapterConfig(2, 4, Set.of(AdaptedLinear.Q_PROJ), true, "base");
    Map<String, TensorData> tensors = new HashMap<>();
    config
        .tensors(BASE)
        .forEach((name, shape) -> tensors.put(name, TensorData.of(filled(shape), shape.toArray())));
    new Adapter(config, tensors).write(directory);
    ObjectNode json = JsonFile.read(directory.resolve("adapter_config.json"));
    assertThat(json.get("task_type").asText()).isEqualTo("SEQ_CLS");
    assertThat(json.get("modules_to_save").toString()).isEqualTo("[\"classifier\",\"score\"]");
    try (SafetensorsFile file =
        SafetensorsFile.open(directory.resolve("adapter_model.safetensors"))) {
      assertThat(file.names()).contains("base_model.model.score.weight");
    }
    Adapter again = Adapter.read(directory, BASE);
    assertThat(again.config()).isEqualTo(config);
    assertThat(again.tensors().keySet()).containsExactlyElementsOf(config.tensors(BASE).keySet());
    assertThat(again.tensors().get("score.weight").values())
        .isEqualTo(tensors.get("score.weight").values());
  }

  @Test
  void read_adapterOfAnotherBase_namesTensorAndShapes() {
    ModelConfig other = ModelConfig.read(Golden.path("linear-rope-fp32"));
    assertThatThrownBy(() -> Adapter.read(Golden.path("gqa-adapter"), other))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(
            Golden.path("gqa-adapter").resolve("adapter_model.safetensors")
                + ": tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight' has shape [4, 64], expected [4, 32]"
                + " for this base: the adapter was trained on another base or with another rank.");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "bias | \"some\" | bias 'some' is not known; expected none, all or lora_only.",
        "use_qalora | true | use_qalora is true; QALoRA cannot be used.",
        "lora_bias | true | lora_bias is true, and 'model.layers.0.self_attn.q_proj' of this LlamaForCausalLM has no bias that B's could be"
            + " added to.",
        "use_novelty | 3 | use_novelty is 3; this option is not known here.",
        "init_lora_weights | \"corda\" | init_lora_weights is \"corda\", which changes the base in a way that cannot be found again; convert"
            + " the adapter with PEFT to a plain LoRA (save_pretrained with path_initial_model_for_weight_conversion).",
        "rank_pattern | {\"q_proj\":0} | rank_pattern 'q_proj' must be at least 1, found 0.",
        "rank_pattern | {\"(\":1} | the regular expression '(' is malformed: Unclosed group.",
        "layers_pattern | \"layers\" | layers_pattern goes with layers_to_transform only.",
        "peft_type | \"XLORA\" | peft_type 'XLORA' is not supported; expected LORA, IA3, LOHA, LOKR, OFT, VERA, BOFT, ADALORA, PREFIX_TUNING,"
            + " PROMPT_TUNING, P_TUNING, LN_TUNING, BITFIT, PARTIAL.",
        "modules_to_save | [\"embed_tokens\"] | modules_to_save names 'model.embed_tokens', which in this base is the output matrix as well"
            + " (tie_word_embeddings): PEFT replaces the one without the other, and the result is no model of this kind.",
        "modules_to_save | [\"wte\"] | modules_to_save names 'wte', which this base has not.",
        "modules_to_save | [\"q_proj\"] | modules_to_save names 'model.layers.0.self_attn.q_proj', which target_modules adapts as well.",
        "trainable_token_indices | [384] | trainable_token_indices has the token 384, and the vocabulary is 0 to 383.",
        "trainable_token_indices | [3, 3] | trainable_token_indices names a token twice: [3, 3].",
        "trainable_token_indices | {\"lm_head\": [3]} | trainable_token_indices must be of the embedding alone, found {\"lm_head\":[3]}.",
        "target_modules | [\"query\"] | target_modules finds nothing in this base; its linear layers are q_proj, k_proj, v_proj, o_proj,"
            + " gate_proj, up_proj, down_proj.",
        "target_modules | \"(([a-z._0-9]+)+)+_no\" | the regular expression '(([a-z._0-9]+)+)+_no' takes too long; write it without nested"
            + " repetition.",
        "target_modules | 7 | target_modules must be a list of names, a regular expression or \"all-linear\", found 7.",
        "r | 0 | r must be at least 1, found 0.",
        "r | \"4\" | r must be a whole number, found \"4\".",
        "lora_alpha | \"8\" | lora_alpha must be a number, found \"8\".",
      })
  void read_unsupportedOption_isNamed(
      String key, String value, String message, @TempDir Path directory) throws Exception {
    Golden.copy("gqa-adapter", directory);
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    json.set(key, new ObjectMapper().readTree(value));
    JsonFile.write(file, json);
    assertThatThrownBy(() -> Adapter.read(directory, BASE))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(file + ": " + message);
  }

  @Test
  void tokens_besideWhatReplacesOrAdaptsTheSameMatrix_areRefused() {
    LoraOptions tokens = withTokens("q_proj");
    assertThatThrownBy(
            () ->
                new AdapterConfig(tokens, false, List.of("embed_tokens"), false, "")
                    .tensors(BASE.untied()))
        .hasMessage(
            "modules_to_save names 'model.embed_tokens', rows of which trainable_token_indices trains as well");
    assertThatThrownBy(() -> withTokens("lm_head").tensors(BASE))
        .hasMessage(
            "trainable_token_indices changes rows of the output matrix too, which in this base is the embedding"
                + " (tie_word_embeddings), and target_modules adapts it by a pair: name one of them alone");
    assertThat(withTokens("lm_head").tensors(BASE.untied())).containsKey("lm_head.lora_A.weight");
  }

  private static LoraOptions withTokens(String target) {
    return new LoraOptions(
        2,
        4,
        new Modules.Names(List.of(target)),
        Optional.empty(),
        false,
        List.of(),
        List.of(),
        Map.of(),
        Map.of(),
        0,
        false,
        LoraOptions.Bias.NONE,
        LoraStart.KAIMING,
        new LoraOptions.Beside(false, List.of(3)));
  }

  /** PEFT divides what it finds by the rank and asks no more: 0 switches an adapter off. */
  @ParameterizedTest
  @ValueSource(doubles = {0, -2, 16})
  void read_anyFiniteAlpha_isTheScaleTimesTheRank(double alpha, @TempDir Path directory) {
    Golden.copy("gqa-adapter", directory);
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    json.put("lora_alpha", alpha);
    JsonFile.write(file, json);
    assertThat(Adapter.read(directory, BASE).changes(BASE).values())
        .isNotEmpty()
        .allSatisfy(
            pair ->
                assertThat(((LowRank) pair).scale()).isEqualTo(alpha / ((LowRank) pair).rank()));
  }

  @Test
  void biases_haveThePlacesThatPeftGivesThem() {
    ModelConfig model = ModelConfig.read(Golden.path("families/gpt2"));
    Adapter adapter = Adapter.read(Golden.path("adapters/gpt2-biases"), model);
    assertThat(adapter.config().whole(model))
        .containsEntry(
            "transformer.h.0.attn.c_attn.base_layer.bias", "transformer.h.0.attn.c_attn.bias")
        .containsEntry("transformer.h.0.attn.c_proj.bias", "transformer.h.0.attn.c_proj.bias")
        .containsEntry("transformer.ln_f.bias", "transformer.ln_f.bias");
    ModelConfig other = ModelConfig.read(Golden.path("families/qwen2"));
    assertThat(
            Adapter.read(Golden.path("adapters/qwen2-biases"), other)
                .config()
                .lora()
                .orElseThrow()
                .trainedBiases(other))
        .isNotEmpty()
        .allMatch(name -> name.endsWith(".q_proj.bias") || name.endsWith(".v_proj.bias"));
  }

  @Test
  void read_biasesThatPeftDidNotSave_tellsWhatHappened(@TempDir Path directory) throws Exception {
    ModelConfig model = ModelConfig.read(Golden.path("families/qwen2"));
    Golden.copy("adapters/qwen2-dora", directory);
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    json.put("bias", "lora_only");
    JsonFile.write(file, json);
    assertThatThrownBy(() -> Adapter.read(directory, model))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(
            directory.resolve("adapter_model.safetensors")
                + ": tensor 'base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias' is missing, and"
                + " adapter_config.json says bias 'lora_only'. PEFT 0.17 trains these biases but does not save them, and"
                + " loads the base's instead: set bias to none to have the same, or train with bias 'all'.");
  }

  @Test
  void read_savedModuleWhoseBiasIsTrained_isRefused(@TempDir Path directory) throws Exception {
    ModelConfig model = ModelConfig.read(Golden.path("families/gpt2"));
    Golden.copy("adapters/gpt2-biases", directory);
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    json.putArray("modules_to_save").add("ln_f");
    JsonFile.write(file, json);
    assertThatThrownBy(() -> Adapter.read(directory, model))
        .hasMessage(
            file
                + ": modules_to_save names 'transformer.ln_f', whose bias the choice bias 'all' trains as well.");
  }

  @Test
  void read_fewerTargetsThanTensors_namesTheExtraOne(@TempDir Path directory) throws Exception {
    Golden.copy("gqa-adapter", directory);
    Path file = directory.resolve("adapter_config.json");
    ObjectNode json = JsonFile.read(file);
    json.putArray("target_modules").add("q_proj");
    JsonFile.write(file, json);
    assertThatThrownBy(() -> Adapter.read(directory, BASE))
        .hasMessageContaining(
            "is not expected for this base of 3 layers and target_modules [\"q_proj\"].");
  }

  @Test
  void read_pickleOnly_isRefused(@TempDir Path directory) throws Exception {
    Golden.copy("gqa-adapter", directory);
    Files.move(
        directory.resolve("adapter_model.safetensors"), directory.resolve("adapter_model.bin"));
    assertThatThrownBy(() -> Adapter.read(directory, BASE))
        .hasMessageContaining("only as pickle (adapter_model.bin), which is never opened");
  }

  private static float[] filled(Shape shape) {
    float[] values = new float[(int) shape.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (i % 7 - 3) / 8f;
    }
    return values;
  }
}
