package dev.troupe.models.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.export.GgufExport.Matrices;
import dev.troupe.models.peft.LoraOptions;
import dev.troupe.models.peft.Modules;
import dev.troupe.models.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class GgufExportTest {
  private static final Path BASE = Golden.path("gqa-tied-bf16");
  private static final ExportListener SILENT = (tensor, done, total) -> {};

  @TempDir private Path directory;

  @Test
  void f16_readBack_isTheMergedModelRoundedToHalves() {
    Path merged = directory.resolve("merged");
    Path output = directory.resolve("gguf");
    Optional<Path> adapter = Optional.of(Golden.path("gqa-adapter"));
    HuggingFaceExport.write(BASE, adapter, merged, DType.F32, 1L << 30, SILENT);
    GgufExport.write(BASE, adapter, output, Matrices.F16, SILENT);
    try (Checkpoint exact = Checkpoint.open(merged);
        Checkpoint read = Checkpoint.open(output.resolve(GgufExport.NAME))) {
      assertThat(read.names()).containsExactlyInAnyOrderElementsOf(exact.names());
      for (String name : exact.names()) {
        float[] expected = exact.floats(name);
        if (exact.shape(name).dimensions().size() == 2) {
          for (int i = 0; i < expected.length; i++) {
            expected[i] = DType.fromF16(DType.toF16(expected[i]));
          }
        }
        assertThat(read.floats(name)).as(name).isEqualTo(expected);
      }
      assertThat(read.config().heads()).isEqualTo(exact.config().heads());
      assertThat(read.config().tiedEmbeddings()).isTrue();
      assertThat(read.config().rotaryFrequencies()).isEqualTo(exact.config().rotaryFrequencies());
    }
  }

  @Test
  void q80_readBack_isWithinHalfAStepOfEachBlock() {
    Path output = directory.resolve("gguf");
    GgufExport.write(BASE, Optional.empty(), output, Matrices.Q8_0, SILENT);
    try (Checkpoint exact = Checkpoint.open(BASE);
        Checkpoint read = Checkpoint.open(output.resolve(GgufExport.NAME))) {
      for (String name : exact.names()) {
        float[] expected = exact.floats(name);
        float[] found = read.floats(name);
        if (exact.shape(name).dimensions().size() < 2) {
          assertThat(found).as(name).isEqualTo(expected);
          continue;
        }
        for (int block = 0; block < expected.length; block += 32) {
          double largest = 0;
          for (int i = block; i < block + 32; i++) {
            largest = Math.max(largest, Math.abs(expected[i]));
          }
          for (int i = block; i < block + 32; i++) {
            // Half a step, and the scale's own rounding to a half.
            assertThat(Math.abs(found[i] - expected[i]))
                .as(name)
                .isLessThanOrEqualTo((float) (largest * (0.5 / 127 + 1.0 / 2048) + 1e-7));
          }
        }
      }
    }
  }

  /** Every family that is read, with what each has besides. */
  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama3", "qwen2", "qwen3", "gemma2", "gemma3"})
  void ggufFile_becomesTheSameModelWithItsAdapterMerged(String family) {
    Path file = Golden.path("gguf/families/" + family + ".gguf");
    ModelConfig config = ModelConfig.read(file);
    Path adapter = directory.resolve("adapter");
    ParameterLayout layout =
        ParameterLayout.lora(config, LoraOptions.plain(2, 6, new Modules.AllLinear()), false);
    float[] values = new float[layout.size()];
    Random random = new Random(3);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (0.2 * random.nextGaussian());
    }
    layout.toAdapter(values, family).write(adapter);
    Path merged = directory.resolve("merged");
    HuggingFaceExport.write(file, Optional.of(adapter), merged, DType.F32, 1L << 30, SILENT);
    for (Matrices matrices : Matrices.values()) {
      Path output = directory.resolve(matrices.name()).resolve(GgufExport.NAME);
      GgufExport.write(file, Optional.of(adapter), output.getParent(), matrices, SILENT);
      try (Checkpoint exact = Checkpoint.open(merged);
          Checkpoint read = Checkpoint.open(output);
          GgufFile before = GgufFile.open(file);
          GgufFile after = GgufFile.open(output);
          Tokenizer tokenizer = Tokenizer.load(output);
          Tokenizer original = Tokenizer.load(file)) {
        assertThat(read.config()).isEqualTo(config);
        assertThat(after.tensors().keySet())
            .containsExactlyInAnyOrderElementsOf(before.tensors().keySet());
        for (String name : exact.names()) {
          boolean vector = exact.shape(name).dimensions().size() < 2;
          float[] expected = exact.floats(name);
          float[] found = read.floats(name);
          float largest = 0;
          for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
          }
          // Gemma's gains are stored plus one, which rounds.
          float tolerance =
              vector ? 1.2e-7f : matrices == Matrices.F16 ? largest / 2048 : largest / 200;
          assertThat(found).as(name).containsExactly(expected, within(tolerance));
        }
        before
            .metadata()
            .forEach(
                (key, value) -> {
                  if (!key.equals("general.file_type")) {
                    assertThat(after.metadata()).containsEntry(key, value);
                  }
                });
        String text = "The  robot's song: café \ud83d\ude00\n\n 123 ok";
        assertThat(tokenizer.encodeDocument(text)).isEqualTo(original.encodeDocument(text));
      }
    }
  }

  /** By way of a Hugging Face directory, which says everything in other words. */
  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama3", "qwen2", "qwen3", "gemma2", "gemma3"})
  void directoryMadeOfAGgufFile_becomesTheSameGgufFile(String family) {
    Path file = Golden.path("gguf/families/" + family + ".gguf");
    Path between = directory.resolve("between");
    Path output = directory.resolve("output");
    HuggingFaceExport.write(file, Optional.empty(), between, DType.F32, 1L << 30, SILENT);
    GgufExport.write(between, Optional.empty(), output, Matrices.F16, SILENT);
    JsonNode golden = Golden.json("gguf/families/" + family + ".json");
    try (Checkpoint exact = Checkpoint.open(file);
        Checkpoint read = Checkpoint.open(output.resolve(GgufExport.NAME));
        Tokenizer tokenizer = Tokenizer.load(output.resolve(GgufExport.NAME))) {
      assertThat(read.config().decoder()).isEqualTo(exact.config().decoder());
      assertThat(read.config().eosTokenIds()).isEqualTo(exact.config().eosTokenIds());
      for (String name : exact.names()) {
        float[] expected = exact.floats(name);
        if (exact.shape(name).dimensions().size() == 2) {
          for (int i = 0; i < expected.length; i++) {
            expected[i] = DType.fromF16(DType.toF16(expected[i]));
          }
        }
        assertThat(read.floats(name)).as(name).containsExactly(expected, within(1.2e-7f));
      }
      for (JsonNode row : golden.get("tokens")) {
        String text = row.get("text").asText();
        assertThat(tokenizer.encode(text)).as(text).isEqualTo(Golden.ints(row.get("ids")));
      }
      int begin = golden.get("bos").isNull() ? 0 : 1;
      assertThat(tokenizer.encodeDocument("a")).hasSize(begin + tokenizer.encode("a").length);
    }
  }

  @Test
  void mistralWithoutAWindow_isWrittenAsALlama_andWithOneRefused() {
    Path file = Golden.path("gguf/families/llama.gguf");
    Path between = directory.resolve("between");
    HuggingFaceExport.write(file, Optional.empty(), between, DType.F32, 1L << 30, SILENT);
    Path json = between.resolve("config.json");
    ObjectNode config = JsonFile.read(json);
    config.putArray("architectures").add("MistralForCausalLM");
    config.put("model_type", "mistral").putNull("sliding_window");
    JsonFile.write(json, config);
    Path output = directory.resolve("output");
    GgufExport.write(between, Optional.empty(), output, Matrices.F16, SILENT);
    try (Checkpoint exact = Checkpoint.open(between);
        Checkpoint read = Checkpoint.open(output.resolve(GgufExport.NAME))) {
      assertThat(exact.config().architecture()).isEqualTo("MistralForCausalLM");
      assertThat(read.config().architecture()).isEqualTo(ModelConfig.LLAMA);
      for (String name : exact.names()) {
        assertThat(read.floats(name)).as(name).containsExactly(exact.floats(name), within(1e-3f));
      }
    }
    config.put("sliding_window", 16);
    JsonFile.write(json, config);
    assertThatThrownBy(
            () ->
                GgufExport.write(
                    between, Optional.empty(), directory.resolve("out"), Matrices.F16, SILENT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("a sliding window")
        .hasMessageEndingWith("cannot be said in a GGUF of this family.");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "query_pre_attn_scalar | 7 | the scale of its scores (query_pre_attn_scalar)",
        "layer_types | ['full_attention','full_attention','sliding_attention','full_attention','full_attention','full_attention','full_attention'] | which layers have it (layer_types)",
        "rope_local_base_freq | 77 | its rotary positions (rope_scaling, rope_parameters)",
        "hidden_activation | 'relu' | its MLP (activation, biases)",
        "final_logit_softcapping | 3.0 | its caps, biases or scales",
      })
  void whatGgufLeavesToTheFamily_isRefusedByName(String key, String value, String what)
      throws IOException {
    Path file = Golden.path("gguf/families/gemma3.gguf");
    Path between = directory.resolve("between");
    HuggingFaceExport.write(file, Optional.empty(), between, DType.F32, 1L << 30, SILENT);
    ObjectNode config = JsonFile.read(between.resolve("config.json"));
    config.set(key, new ObjectMapper().readTree(value.replace('\'', '"')));
    JsonFile.write(between.resolve("config.json"), config);
    assertThatThrownBy(
            () ->
                GgufExport.write(
                    between, Optional.empty(), directory.resolve("out"), Matrices.F16, SILENT))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(
            between
                + ": GGUF cannot say all of this model. Read back, it would be another in "
                + what
                + ". Export --format hf and let llama.cpp's convert_hf_to_gguf.py convert that.");
    assertThat(directory.resolve("out")).doesNotExist();
  }

  @Test
  void piecesWhoseMergesAreNotByScore_areRefused() {
    Path file = Golden.path("gguf/families/gemma3.gguf");
    Path between = directory.resolve("between");
    HuggingFaceExport.write(file, Optional.empty(), between, DType.F32, 1L << 30, SILENT);
    Path json = between.resolve("tokenizer.json");
    ObjectNode tokenizer = JsonFile.read(json);
    ((ArrayNode) tokenizer.path("model").path("merges")).remove(3);
    JsonFile.write(json, tokenizer);
    assertThatThrownBy(
            () ->
                GgufExport.write(
                    between, Optional.empty(), directory.resolve("out"), Matrices.F16, SILENT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageStartingWith(
            json
                + ": a tokenizer with this order of merges, which is not that of SentencePiece's scores, cannot be written");
  }

  @Test
  void tokenizer_givesTheSameIds() {
    Path output = directory.resolve("gguf");
    GgufExport.write(BASE, Optional.empty(), output, Matrices.Q8_0, SILENT);
    String text = "The  robot's song: caf\u00e9 \ud83d\ude00\n\n 123 ok";
    try (Tokenizer ours = Tokenizer.load(output.resolve(GgufExport.NAME));
        Tokenizer theirs = Tokenizer.load(BASE)) {
      assertThat(ours.encodeDocument(text)).isEqualTo(theirs.encodeDocument(text)).isNotEmpty();
      assertThat(ours.chatTemplate()).isPresent();
    }
  }

  @Test
  void whatGgufCannotSay_isRefused_andNothingIsLeft() throws Exception {
    assertThatThrownBy(
            () ->
                GgufExport.write(
                    Golden.path("families/bloom"),
                    Optional.empty(),
                    directory.resolve("out"),
                    Matrices.F16,
                    SILENT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(
            "BloomForCausalLM cannot be written as GGUF; known are llama, qwen2, qwen3, gemma2, gemma3.");
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).isEmpty();
    }
  }
}
