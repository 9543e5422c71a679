package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class CheckpointTest {
  @TempDir private Path directory;

  @Test
  void open_shardedTiedBf16_hasEveryTensor() {
    try (Checkpoint checkpoint = Checkpoint.open(Golden.path("gqa-tied-bf16"))) {
      assertThat(checkpoint.names()).hasSize(3 * 9 + 2).doesNotContain("lm_head.weight");
      assertThat(checkpoint.config().eosTokenIds()).containsExactly(1, 6);
      assertThat(checkpoint.config().bosTokenId()).hasValue(0);
      assertThat(checkpoint.dtype("model.norm.weight")).isEqualTo(DType.BF16);
      assertThat(checkpoint.shape("model.layers.1.self_attn.k_proj.weight"))
          .isEqualTo(Shape.of(16, 64));
      assertThat(checkpoint.floats("model.norm.weight")).hasSize(64).doesNotContain(0f);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gqa-tied-bf16", "untied-llama3-fp16", "linear-rope-fp32"})
  void write_whatWasRead_givesTheSameBytes(String name) {
    try (Checkpoint original = Checkpoint.open(Golden.path(name))) {
      DType dtype = original.dtype("model.norm.weight");
      CheckpointWriter.write(directory, original.config(), tensors(original), dtype, 60_000);
      try (Checkpoint copy = Checkpoint.open(directory)) {
        assertThat(copy.config()).isEqualTo(original.config());
        assertThat(copy.names()).containsExactlyElementsOf(original.names());
        for (String tensor : original.names()) {
          assertThat(copy.bytes(tensor)).as(tensor).isEqualTo(original.bytes(tensor));
        }
      }
    }
    assertThat(Files.exists(directory.resolve("model.safetensors")))
        .isEqualTo(name.equals("linear-rope-fp32"));
    assertThat(directory.resolve("generation_config.json")).exists();
  }

  @Test
  void open_noDirectory_saysWhatIsExpected() {
    assertError(
        directory.resolve("nowhere"),
        directory.resolve("nowhere")
            + ": no such directory; a model is a directory with config.json, *.safetensors and tokenizer.json, or a .gguf file");
  }

  @Test
  void open_noConfigOrWeights_saysSo() throws IOException {
    assertError(directory, directory.resolve("config.json") + " does not exist.");
    Files.copy(
        Golden.path("gqa-tied-bf16").resolve("config.json"), directory.resolve("config.json"));
    assertError(
        directory,
        directory + " has no weights: expected model.safetensors or model.safetensors.index.json.");
  }

  @Test
  void open_pickleOnly_isRefusedWithTheReason() throws IOException {
    Files.copy(
        Golden.path("gqa-tied-bf16").resolve("config.json"), directory.resolve("config.json"));
    Files.writeString(directory.resolve("pytorch_model.bin"), "x");
    assertError(
        directory,
        directory
            + " has its weights only as pickle (pytorch_model.bin), which is never opened: unpickling a file runs any code that it"
            + " contains. Convert it where you trust it, for example with transformers: model.save_pretrained(directory,"
            + " safe_serialization=True).");
  }

  @Test
  void open_missingShard_isNamed() throws IOException {
    Golden.copy("gqa-tied-bf16", directory);
    Files.delete(directory.resolve("model-00003-of-00004.safetensors"));
    assertError(
        directory,
        directory.resolve("model.safetensors.index.json")
            + " names the shard model-00003-of-00004.safetensors, which does not exist in "
            + directory
            + ". Download it again.");
  }

  @Test
  void open_indexOutOfTheDirectory_isRefused() throws IOException {
    Golden.copy("gqa-tied-bf16", directory);
    editIndex(map -> map.put("model.norm.weight", "../secret"));
    assertError(
        directory,
        directory.resolve("model.safetensors.index.json")
            + ": '../secret' is not the name of a file in this directory.");
  }

  @Test
  void open_indexAndShardDisagree_namesTheTensor() throws IOException {
    Golden.copy("gqa-tied-bf16", directory);
    editIndex(map -> map.remove("model.norm.weight"));
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageEndingWith(
            "has the tensor 'model.norm.weight', but model.safetensors.index.json does not list it.");
    editIndex(map -> map.put("model.norm.weight", "model-00001-of-00004.safetensors"));
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageEndingWith(
            "model.safetensors.index.json places it in model-00001-of-00004.safetensors.");
    editIndex(
        map -> {
          map.put("model.norm.weight", "model-00004-of-00004.safetensors");
          map.put("ghost", "model-00004-of-00004.safetensors");
        });
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessage(
            directory.resolve("model.safetensors.index.json")
                + " places the tensor 'ghost' in model-00004-of-00004.safetensors, which does not have it.");
  }

  @Test
  void open_missingTensor_isNamed() {
    rewrite(tensors -> tensors.remove("model.layers.0.mlp.up_proj.weight"));
    assertError(
        directory,
        directory + ": tensor 'model.layers.0.mlp.up_proj.weight' of shape [40, 32] is missing.");
  }

  @Test
  void open_missingHeadOfUntied_saysWhenItMay() {
    rewrite(tensors -> tensors.remove("lm_head.weight"));
    assertError(
        directory,
        directory
            + ": tensor 'lm_head.weight' of shape [101, 32] is missing (it may be absent only when config.json says"
            + " tie_word_embeddings: true).");
  }

  @Test
  void open_extraTensor_isNamed() {
    rewrite(
        tensors ->
            tensors.put("model.layers.0.self_attn.q_proj.bias", TensorData.of(new float[32], 32)));
    assertError(
        directory,
        directory
            + ": tensor 'model.layers.0.self_attn.q_proj.bias' in model.safetensors does not belong to LlamaForCausalLM.");
  }

  @Test
  void open_misshapenTensor_namesFoundAndExpected() {
    rewrite(tensors -> tensors.put("model.norm.weight", TensorData.of(new float[33], 33)));
    assertError(
        directory,
        directory
            + ": tensor 'model.norm.weight' in model.safetensors has shape [33], expected [32] from config.json.");
  }

  @Test
  void open_severalProblems_areListedTogether() {
    rewrite(
        tensors -> {
          tensors.remove("model.norm.weight");
          tensors.remove("lm_head.weight");
        });
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .hasMessageContaining(
            "'model.norm.weight' of shape [32] is missing; tensor 'lm_head.weight'");
  }

  @Test
  void open_oldRotaryBuffers_areIgnored() {
    rewrite(
        tensors ->
            tensors.put(
                "model.layers.0.self_attn.rotary_emb.inv_freq", TensorData.of(new float[8], 8)));
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      assertThat(checkpoint.names()).doesNotContain("model.layers.0.self_attn.rotary_emb.inv_freq");
    }
  }

  /** As gpt2, bloom-560m and pythia-70m are on the hub. */
  @ParameterizedTest
  @CsvSource({
    "gpt2, transformer., h.0.attn.bias",
    "bloom, transformer., ''",
    "gpt-neox, '', gpt_neox.layers.1.attention.rotary_emb.inv_freq",
    "gpt-neox, '', gpt_neox.layers.1.attention.masked_bias",
  })
  void open_namesAndBuffersOfTheHub_areTheSameModel(String family, String prefix, String buffer)
      throws IOException {
    try (Checkpoint original = Checkpoint.open(Golden.path("families/" + family))) {
      Map<String, TensorData> renamed = new LinkedHashMap<>();
      tensors(original)
          .forEach((name, tensor) -> renamed.put(name.replaceFirst("^" + prefix, ""), tensor));
      if (!buffer.isEmpty()) {
        renamed.put(buffer, TensorData.of(new float[4], 4));
      }
      JsonFile.write(directory.resolve("config.json"), original.configJson());
      SafetensorsWriter.write(directory.resolve("model.safetensors"), renamed, DType.F32);
      try (Checkpoint hub = Checkpoint.open(directory)) {
        assertThat(hub.names()).isEqualTo(original.names());
        for (String name : original.names()) {
          assertThat(hub.shape(name)).isEqualTo(original.shape(name));
          assertThat(hub.floats(name)).as(name).isEqualTo(original.floats(name));
        }
      }
    }
  }

  /** As transformers: two equal matrices are tied, of two different ones the head counts. */
  @Test
  void open_tiedWithAHead_isTiedOnlyWhereTheyAreEqual() {
    rewrite(tensors -> tensors.put("lm_head.weight", tensors.get("model.embed_tokens.weight")));
    editConfig(json -> json.put("tie_word_embeddings", true));
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      assertThat(checkpoint.config().tiedEmbeddings()).isTrue();
      assertThat(checkpoint.names()).doesNotContain("lm_head.weight");
    }
    rewrite(tensors -> {});
    editConfig(json -> json.put("tie_word_embeddings", true));
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      assertThat(checkpoint.config().tiedEmbeddings()).isFalse();
      assertThat(checkpoint.config()).isEqualTo(ModelConfig.read(directory));
      assertThat(checkpoint.configJson().get("tie_word_embeddings").asBoolean()).isFalse();
      assertThat(checkpoint.floats("lm_head.weight"))
          .isNotEqualTo(checkpoint.floats("model.embed_tokens.weight"));
    }
  }

  @Test
  void open_tiedWithTheHeadAlone_embedsWithIt() {
    float[][] head = new float[1][];
    rewrite(
        tensors -> {
          head[0] = tensors.get("lm_head.weight").floats();
          tensors.remove("model.embed_tokens.weight");
        });
    editConfig(json -> json.put("tie_word_embeddings", true));
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      assertThat(checkpoint.config().tiedEmbeddings()).isTrue();
      assertThat(checkpoint.names()).doesNotContain("lm_head.weight");
      assertThat(checkpoint.floats("model.embed_tokens.weight")).isEqualTo(head[0]);
    }
  }

  @Test
  void read_adapterInPlaceOfAModel_saysHowToGiveIt() throws IOException {
    Files.writeString(
        directory.resolve("adapter_config.json"), "{\"base_model_name_or_path\": \"org/base\"}");
    String message =
        directory
            + " is an adapter (adapter_config.json), not a whole model. Name its base as the model, which the file says is 'org/base',"
            + " and this directory as the adapter: BASE --adapter "
            + directory
            + ".";
    assertError(directory, message);
    assertThatThrownBy(() -> ModelConfig.read(directory)).hasMessage(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "model_type | 'mamba' | unknown model_type 'mamba'; known are TYPES.",
        "hidden_size | null | hidden_size must be a whole number, found null.",
        "rms_norm_eps | null | rms_norm_eps must be a number, found null.",
        "tie_word_embeddings | null | tie_word_embeddings must be true or false, found null.",
        "is_encoder_decoder | true | is_encoder_decoder is true; a network with an encoder cannot be run.",
        "sliding_window | 8 | the key 'sliding_window' (found 8) is not known for model_type llama: what it asks for would not be done."
            + " Remove it from the file if the model is the same without it.",
        "rope_scaling | {'rope_type':'linear','factor':2.0,'alpha':3} | rope_scaling: the key 'alpha' (found 3) is not known for rotary"
            + " positions: what it asks for would not be done. Remove it from the file if the model is the same without it.",
        "hidden_size | 'x' | hidden_size must be a whole number, found 'x'.",
        "num_hidden_layers | 0 | num_hidden_layers must be 1 to 1000, found 0.",
        "num_hidden_layers | 2000000000 | num_hidden_layers must be 1 to 1000, found 2000000000.",
        "head_dim | 2000000000 | num_attention_heads times head_dim, with keys and values, is too large: 6 times 2000000000.",
        "max_position_embeddings | 2000000000 | twice max_position_embeddings times head_dim is too large: 4000000000 times 16.",
        "num_key_value_heads | 3 | num_attention_heads 2 is not a multiple of num_key_value_heads 3.",
        "head_dim | 15 | head_dim 15 is odd; rotary positions need pairs.",
        "hidden_act | 'quick_gelu' | hidden_act 'quick_gelu' cannot be run; known are silu, gelu, gelu_new, gelu_fast,"
            + " gelu_pytorch_tanh, relu.",
        "partial_rotary_factor | 0.2 | partial_rotary_factor 0.2 beside rope_type 'linear' cannot be run in this family, which turns whole"
            + " heads; expected 1.",
        "quantization_config | {'bits':4} | quantization_config has no quant_method; read are bitsandbytes, gptq, awq. Use the"
            + " checkpoint in bf16, fp16 or fp32.",
        "rope_scaling | {'rope_type':'ntk','factor':2.0} | rope_scaling of type 'ntk' cannot be run; known are default, linear, dynamic,"
            + " llama3, yarn, longrope.",
        "rope_scaling | {'type':'longrope','short_factor':[1]} | rope_scaling: short_factor must list 8 numbers, found [1].",
        "rope_scaling | {'rope_type':'linear'} | rope_scaling: factor must be a number of at least 1, found nothing.",
        "eos_token_id | 101 | eos_token_id 101 is outside of the vocabulary of 101.",
        "eos_token_id | ['a'] | eos_token_id must be a token id or a list of them, found 'a'.",
        "tie_word_embeddings | 'yes' | tie_word_embeddings must be true or false, found 'yes'.",
      })
  void readConfig_wrongValue_saysFileKeyAndValue(String key, String value, String message)
      throws IOException {
    rewrite(tensors -> {});
    Path file = directory.resolve("config.json");
    ObjectNode json = JsonFile.read(file);
    json.set(key, new ObjectMapper().readTree(value.replace('\'', '"')));
    JsonFile.write(file, json);
    assertThatThrownBy(() -> ModelConfig.read(directory))
        .isInstanceOf(CheckpointException.class)
        .hasToString(CheckpointException.class.getName() + ": " + file + ": " + fixQuotes(message));
  }

  @Test
  void readConfig_endsOfTextOfTheGenerationConfig_standBehind() {
    Golden.copy("gqa-tied-bf16", directory);
    Path file = directory.resolve("generation_config.json");
    ObjectNode generation = JsonFile.read(file);
    generation.putArray("eos_token_id").add(6).add(9);
    JsonFile.write(file, generation);
    assertThat(ModelConfig.read(directory).eosTokenIds()).containsExactly(1, 6, 9);
    try (Checkpoint checkpoint = Checkpoint.open(directory)) {
      assertThat(checkpoint.config()).isEqualTo(ModelConfig.read(directory));
      assertThat(checkpoint.configJson())
          .isEqualTo(JsonFile.read(directory.resolve("config.json")).without("dtype"));
    }
    generation.put("eos_token_id", 384);
    JsonFile.write(file, generation);
    assertThatThrownBy(() -> ModelConfig.read(directory))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(file + ": eos_token_id 384 is outside of the vocabulary of 384.");
    generation.put("eos_token_id", "</s>");
    JsonFile.write(file, generation);
    assertError(
        directory, file + ": eos_token_id must be a token id or a list of them, found \"</s>\".");
  }

  /** JSON values are quoted in double quotes in messages, names in single ones. */
  private static String fixQuotes(String message) {
    return message
        .replace("known are TYPES", "known are " + String.join(", ", Families.modelTypes()))
        .replace("found 'x'", "found \"x\"")
        .replace("found 'a'", "found \"a\"")
        .replace("found 'yes'", "found \"yes\"");
  }

  /** As transformers: {@code architectures} is not read where there is a {@code model_type}. */
  @Test
  void readConfig_modelTypeAlone_saysTheFamily() {
    rewrite(tensors -> {});
    editConfig(json -> json.putArray("architectures").add("MistralForCausalLM"));
    assertThat(ModelConfig.read(directory).architecture()).isEqualTo(ModelConfig.LLAMA);
    editConfig(json -> json.remove("architectures"));
    assertThat(ModelConfig.read(directory).architecture()).isEqualTo(ModelConfig.LLAMA);
    editConfig(json -> json.remove("model_type"));
    assertThatThrownBy(() -> ModelConfig.read(directory))
        .hasMessageContaining("it names neither its model_type nor its architectures");
    editConfig(json -> json.putArray("architectures").add("MambaForCausalLM"));
    assertThatThrownBy(() -> ModelConfig.read(directory))
        .hasMessageContaining(
            "unknown architecture 'MambaForCausalLM'; known are LlamaForCausalLM");
    editConfig(json -> json.putArray("architectures").add(ModelConfig.LLAMA));
    assertThat(ModelConfig.read(directory).architecture()).isEqualTo(ModelConfig.LLAMA);
  }

  @Test
  void readConfig_absentKeys_takeTheDefaultsOfTransformers() {
    ObjectNode json = JsonFile.object();
    json.putArray("architectures").add("LlamaForCausalLM");
    json.put("vocab_size", 50).put("hidden_size", 32).put("intermediate_size", 8);
    json.put("num_hidden_layers", 1).put("num_attention_heads", 4);
    ModelConfig config = ModelConfig.parse(json, "test");
    assertThat(config.kvHeads()).isEqualTo(4);
    assertThat(config.headDim()).isEqualTo(8);
    assertThat(config.normEps()).isEqualTo(1e-6);
    assertThat(config.rotaryFrequencies()[1]).isEqualTo(Math.pow(10000, -2 / 8.0));
    assertThat(config.maxPositionEmbeddings()).isEqualTo(2048);
    assertThat(config.tiedEmbeddings()).isFalse();
    assertThat(config.eosTokenIds()).isEqualTo(List.of(2));
    assertThat(config.bosTokenId()).hasValue(1);
    assertThat(config.padTokenId()).isEmpty();
  }

  /** Copies the smallest golden checkpoint with its tensors changed. */
  private void rewrite(Consumer<Map<String, TensorData>> change) {
    try (Checkpoint checkpoint = Checkpoint.open(Golden.path("linear-rope-fp32"))) {
      Map<String, TensorData> tensors = tensors(checkpoint);
      change.accept(tensors);
      JsonFile.write(directory.resolve("config.json"), checkpoint.configJson());
      SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors, DType.F32);
    }
  }

  private void editConfig(Consumer<ObjectNode> change) {
    Path file = directory.resolve("config.json");
    ObjectNode json = JsonFile.read(file);
    change.accept(json);
    JsonFile.write(file, json);
  }

  private void editIndex(Consumer<ObjectNode> change) {
    Path file = directory.resolve("model.safetensors.index.json");
    ObjectNode json = JsonFile.read(file);
    change.accept((ObjectNode) json.get("weight_map"));
    JsonFile.write(file, json);
  }

  private static Map<String, TensorData> tensors(Checkpoint checkpoint) {
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    for (String name : checkpoint.names()) {
      tensors.put(name, TensorData.of(checkpoint.floats(name), checkpoint.shape(name).toArray()));
    }
    return tensors;
  }

  private static void assertError(Path directory, String message) {
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(message);
  }
}
