package dev.troupe.models.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.Checkpoint;
import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.JsonFile;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.decoder.Products;
import dev.troupe.models.peft.Adapter;
import dev.troupe.models.peft.AdapterConfig;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class ExportTest {
  private static final Path BASE = Golden.path("gqa-tied-bf16");
  private static final Path ADAPTER = Golden.path("gqa-adapter");
  private static final ExportListener SILENT = (tensor, done, total) -> {};

  @TempDir private Path directory;

  @Test
  void merged_givesTheLogitsOfBaseAndAdapter() {
    Path output = directory.resolve("merged");
    HuggingFaceExport.write(BASE, Optional.of(ADAPTER), output, DType.F32, 60_000, SILENT);
    assertThat(output.resolve("model.safetensors.index.json")).exists();
    float[] adapted = logits(BASE, Optional.of(ADAPTER));
    float[] merged = logits(output, Optional.empty());
    double largest = 0;
    double worst = 0;
    for (int i = 0; i < adapted.length; i++) {
      largest = Math.max(largest, Math.abs(adapted[i]));
      worst = Math.max(worst, Math.abs(adapted[i] - (double) merged[i]));
    }
    assertThat(worst / largest).isLessThan(1e-5);
    assertThat(adapted).isNotEqualTo(logits(BASE, Optional.empty()));
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void merged_isRoundedOnceToTheTypeThatItsConfigurationNames(DType dtype) {
    Path exact = directory.resolve("exact");
    Path rounded = directory.resolve("rounded");
    HuggingFaceExport.write(BASE, Optional.of(ADAPTER), exact, DType.F32, 1L << 30, SILENT);
    HuggingFaceExport.write(BASE, Optional.of(ADAPTER), rounded, dtype, 1L << 30, SILENT);
    assertThat(JsonFile.read(rounded.resolve("config.json")).get("torch_dtype").asText())
        .isEqualTo(dtype.torchName());
    try (Checkpoint wide = Checkpoint.open(exact);
        Checkpoint narrow = Checkpoint.open(rounded)) {
      for (String name : wide.names()) {
        assertThat(narrow.dtype(name)).isEqualTo(dtype);
        float[] expected = wide.floats(name);
        for (int i = 0; i < expected.length; i++) {
          expected[i] =
              switch (dtype) {
                case F32 -> expected[i];
                case BF16 -> DType.fromBf16(DType.toBf16(expected[i]));
                case F16 -> DType.fromF16(DType.toF16(expected[i]));
              };
        }
        assertThat(narrow.floats(name)).as(name).isEqualTo(expected);
      }
    }
  }

  @Test
  void withoutAdapter_isTheBase_bitForBit() {
    Path output = directory.resolve("copy");
    HuggingFaceExport.write(BASE, Optional.empty(), output, DType.BF16, 1L << 30, SILENT);
    try (Checkpoint theirs = Checkpoint.open(BASE);
        Checkpoint ours = Checkpoint.open(output)) {
      assertThat(ours.names()).isEqualTo(theirs.names());
      for (String name : theirs.names()) {
        assertThat(ours.bytes(name)).as(name).isEqualTo(theirs.bytes(name));
      }
    }
  }

  @Test
  void everyKeyOfTheBasesFiles_andItsTokenizer_areKept() throws Exception {
    Path base = Golden.copy("gqa-tied-bf16", Files.createDirectory(directory.resolve("base")));
    ObjectNode config = JsonFile.read(base.resolve("config.json"));
    config.putNull("a_key_of_tomorrow").put("prefix", "x");
    JsonFile.write(base.resolve("config.json"), config);
    Path output = directory.resolve("deep/er/out");
    HuggingFaceExport.write(base, Optional.of(ADAPTER), output, DType.F16, 1L << 30, SILENT);
    config.remove("dtype");
    config.put("torch_dtype", "float16");
    assertThat(JsonFile.read(output.resolve("config.json"))).isEqualTo(config);
    for (String name : List.of("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")) {
      assertThat(output.resolve(name)).hasSameBinaryContentAs(base.resolve(name));
    }
    assertThat(JsonFile.read(output.resolve("generation_config.json")))
        .isEqualTo(JsonFile.read(base.resolve("generation_config.json")));
    try (Stream<Path> left = Files.list(directory.resolve("deep/er"))) {
      assertThat(left).as("no half-written directory is left").containsExactly(output);
    }
  }

  @Test
  void ggufFile_becomesADirectory_withItsTokenizer() {
    Path file = Golden.path("gguf/llama.gguf");
    Path output = directory.resolve("out");
    HuggingFaceExport.write(file, Optional.empty(), output, DType.F32, 1L << 30, SILENT);
    try (Checkpoint theirs = Checkpoint.open(file);
        Checkpoint ours = Checkpoint.open(output)) {
      assertThat(ours.names()).isEqualTo(theirs.names());
      for (String name : theirs.names()) {
        assertThat(ours.floats(name)).as(name).isEqualTo(theirs.floats(name));
      }
    }
    String text = "The  robot sang: caf\u00e9 \ud83d\ude00\n";
    try (Tokenizer theirs = Tokenizer.load(file);
        Tokenizer ours = Tokenizer.load(output)) {
      assertThat(ours.encodeDocument(text)).isEqualTo(theirs.encodeDocument(text)).isNotEmpty();
    }
  }

  @Test
  void listenerHearsEachTensorOnce() {
    List<String> heard = new ArrayList<>();
    HuggingFaceExport.write(
        BASE,
        Optional.empty(),
        directory.resolve("out"),
        DType.F32,
        1L << 30,
        (tensor, done, total) -> heard.add(tensor + " " + done + "/" + total));
    Map<String, Shape> tensors = ModelConfig.read(BASE).tensors();
    long total = tensors.values().stream().mapToLong(Shape::elements).sum();
    assertThat(heard).hasSize(tensors.size()).last().asString().endsWith(" " + total + "/" + total);
    assertThat(heard.get(0)).isEqualTo("model.embed_tokens.weight 24576/" + total);
  }

  @Test
  void occupiedOutput_isLeftAlone() throws Exception {
    Path precious = Files.writeString(directory.resolve("precious"), "mine");
    assertThatThrownBy(
            () ->
                HuggingFaceExport.write(
                    BASE, Optional.empty(), directory, DType.F32, 1L << 30, SILENT))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(
            directory
                + " exists and is not empty; nothing is overwritten. Name another directory, or remove it first.");
    assertThat(precious).hasContent("mine");
    assertThatThrownBy(
            () ->
                HuggingFaceExport.write(
                    BASE, Optional.empty(), precious, DType.F32, 1L << 30, SILENT))
        .hasMessage(precious + " exists and is not a directory; name another.");
  }

  @Test
  void adapterOfAnotherBase_isRefused_andNothingIsLeft() throws Exception {
    Path output = directory.resolve("out");
    assertThatThrownBy(
            () ->
                HuggingFaceExport.write(
                    Golden.path("linear-rope-fp32"),
                    Optional.of(ADAPTER),
                    output,
                    DType.F32,
                    1L << 30,
                    SILENT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(
            "tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight' has shape [4, 64], expected [4, 32] for this"
                + " base");
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void numbersBeyondHalfPrecision_areRefused_andNothingIsLeft() throws Exception {
    Adapter adapter = Adapter.read(ADAPTER, ModelConfig.read(BASE));
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    adapter
        .tensors()
        .forEach(
            (name, data) -> {
              float[] large = data.floats();
              for (int i = 0; i < large.length; i++) {
                large[i] *= 1e4f;
              }
              tensors.put(name, TensorData.of(large, data.shape().toArray()));
            });
    Path large = directory.resolve("large");
    new Adapter(adapter.config(), tensors).write(large);
    assertThatThrownBy(
            () ->
                HuggingFaceExport.write(
                    BASE,
                    Optional.of(large),
                    directory.resolve("out"),
                    DType.F16,
                    1L << 30,
                    SILENT))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining("does not fit F16 (largest 65504); write BF16 or F32 instead.");
    try (Stream<Path> left = Files.list(directory)) {
      assertThat(left).containsExactly(large);
    }
  }

  @Test
  void head_liesBeside() {
    Adapter adapter = Adapter.read(ADAPTER, ModelConfig.read(BASE));
    AdapterConfig old = adapter.config();
    Map<String, TensorData> tensors = new LinkedHashMap<>(adapter.tensors());
    float[] head = new float[64];
    head[3] = 0.25f;
    tensors.put(AdapterConfig.HEAD, TensorData.of(head, 1, 64));
    Path scored = directory.resolve("scored");
    new Adapter(new AdapterConfig(old.method(), true, "base"), tensors).write(scored);
    Path output = directory.resolve("out");
    assertThat(
            HuggingFaceExport.write(
                BASE, Optional.of(scored), output, DType.BF16, 1L << 30, SILENT))
        .isTrue();
    try (SafetensorsFile file = SafetensorsFile.open(output.resolve("score.safetensors"))) {
      assertThat(file.names()).containsExactly("score.weight");
      assertThat(file.floats("score.weight")).isEqualTo(head);
    }
    assertThat(
            HuggingFaceExport.write(
                BASE,
                Optional.of(ADAPTER),
                directory.resolve("none"),
                DType.BF16,
                1L << 30,
                SILENT))
        .isFalse();
  }

  @Test
  void peft_isTheAdapterWithTheTokenizer() {
    Path output = directory.resolve("adapter");
    PeftExport.write(BASE, ADAPTER, output, DType.F32);
    Adapter theirs = Adapter.read(ADAPTER, ModelConfig.read(BASE));
    Adapter ours = Adapter.read(output, ModelConfig.read(BASE));
    assertThat(ours.config()).isEqualTo(theirs.config());
    theirs
        .tensors()
        .forEach((name, data) -> assertThat(ours.tensors().get(name)).as(name).isEqualTo(data));
    assertThat(output.resolve("tokenizer.json"))
        .hasSameBinaryContentAs(BASE.resolve("tokenizer.json"));
    assertThatThrownBy(() -> PeftExport.write(BASE, ADAPTER, output, DType.F32))
        .hasMessageContaining("nothing is overwritten");
  }

  /** Of 24 tokens, (24, vocabulary). */
  private static float[] logits(Path model, Optional<Path> adapter) {
    return Lanes.shared()
        .run(
            () -> {
              try (BaseModel base = BaseModel.load(model)) {
                Optional<Adapter> found = adapter.map(path -> Adapter.read(path, base.config()));
                ParameterLayout layout =
                    found
                        .map(Adapter::config)
                        .map(config -> ParameterLayout.adapter(base.config(), config, false))
                        .orElseGet(() -> ParameterLayout.bare(base.config(), false));
                float[] parameters = new float[layout.size()];
                found.ifPresent(adapterFound -> layout.take(parameters, adapterFound));
                long[] ids = LongStream.range(0, 24).map(i -> i * 7 % 100).toArray();
                long[] reads = LongStream.range(0, 24).toArray();
                try (KernelModule kernels = Products.TORCH.kernels(layout);
                    Handle idsHandle = Handle.of(ids, 1, 24);
                    Handle readsHandle = Handle.of(reads, 24);
                    Handle flat = Handle.of(parameters, parameters.length);
                    Handle logits =
                        kernels.infer("logits", idsHandle, readsHandle, base.weights(), flat)) {
                  return logits.floats();
                }
              }
            });
  }
}
