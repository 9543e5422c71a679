package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.troupe.models.Golden;
import dev.troupe.models.checkpoint.gguf.GgufFile;
import dev.troupe.models.checkpoint.gguf.GgufType;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.peft.Adapter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class FiniteTest {
  private static final Path FILE = Path.of("model.safetensors");

  @TempDir private Path directory;

  @ParameterizedTest
  @CsvSource({
    "0, NaN, NaN, '[0, 0]'",
    "7, Infinity, an infinity, '[0, 7]'",
    "20000, -Infinity, a negative infinity, '[1, 9999]'",
    "40003, NaN, NaN, '[3, 10000]'",
    "50004, NaN, NaN, '[4, 10000]'",
  })
  void oneNumberThatIsNone_isNamedWithItsPlace(int at, float value, String what, String place) {
    Shape shape = Shape.of(5, 10_001);
    float[] values = new float[5 * 10_001];
    values[at] = value;
    assertThatThrownBy(() -> Finite.check(FILE, "w", shape, FloatBuffer.wrap(values)))
        .isInstanceOf(CheckpointException.class)
        .hasMessage(
            "model.safetensors: tensor 'w' holds "
                + what
                + " at "
                + place
                + ". Nothing can be computed or trained with it: take a copy that is sound, or mend it where it was made.");
  }

  @Test
  void several_areCounted_andTheLargestNumbersPass() {
    float[] values = {1, Float.NaN, -Float.MAX_VALUE, Float.POSITIVE_INFINITY};
    assertThatThrownBy(() -> Finite.check(FILE, "w", Shape.of(4), FloatBuffer.wrap(values)))
        .hasMessageContaining(
            "holds NaN at [1], the first of 2 of its numbers that are not finite.");
    float[] sound = {Float.MAX_VALUE, -Float.MAX_VALUE, Float.MIN_VALUE, -0f, Float.MAX_VALUE};
    assertThatCode(() -> Finite.check(FILE, "w", Shape.of(5), FloatBuffer.wrap(sound)))
        .doesNotThrowAnyException();
  }

  /** In each type of number that a file may have. */
  @ParameterizedTest
  @CsvSource({
    "F32, model.layers.2.mlp.down_proj.weight",
    "F16, model.norm.weight",
    "BF16, model.embed_tokens.weight",
    "BF16, model.layers.0.self_attn.k_proj.weight",
  })
  void baseWithANan_isRefusedWhenItIsLoaded(DType dtype, String tensor) {
    try (Checkpoint checkpoint = Checkpoint.open(Golden.path("gqa-tied-bf16"))) {
      Map<String, TensorData> tensors = new LinkedHashMap<>();
      for (String name : checkpoint.names()) {
        float[] values = checkpoint.floats(name);
        if (name.equals(tensor)) {
          values[5] = Float.NaN;
        }
        tensors.put(name, TensorData.of(values, checkpoint.shape(name).toArray()));
      }
      CheckpointWriter.write(directory, checkpoint.config(), tensors, dtype, 1 << 30);
    }
    assertThatThrownBy(() -> BaseModel.load(directory))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(
            directory.resolve("model.safetensors") + ": tensor '" + tensor + "' holds NaN at [");
  }

  /** As stored, in one file or in shards, read in pieces; the same words as when it is loaded. */
  @ParameterizedTest
  @CsvSource({
    "F32, model.layers.2.mlp.down_proj.weight, 5, 1073741824",
    "F32, model.norm.weight, 0, 20000",
    "F16, model.layers.0.mlp.up_proj.weight, 1000, 20000",
    "BF16, model.embed_tokens.weight, 4095, 1073741824",
    "BF16, model.layers.1.self_attn.k_proj.weight, 3, 20000",
  })
  void lookingAtABase_findsWhatLoadingFinds(DType dtype, String tensor, int at, long shard) {
    for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      Path model = directory.resolve("of-" + wrong);
      try (Checkpoint checkpoint = Checkpoint.open(Golden.path("gqa-tied-bf16"))) {
        Map<String, TensorData> tensors = new LinkedHashMap<>();
        for (String name : checkpoint.names()) {
          float[] values = checkpoint.floats(name);
          if (name.equals(tensor)) {
            values[at] = wrong;
            values[values.length - 1] = wrong;
          }
          tensors.put(name, TensorData.of(values, checkpoint.shape(name).toArray()));
        }
        CheckpointWriter.write(model, checkpoint.config(), tensors, dtype, shard);
      }
      assertThat(looked(model)).isEqualTo(loaded(model));
      assertThat(looked(model)).contains("tensor '" + tensor + "' holds ", "the first of 2 of its");
    }
  }

  /** In each type of tensor that these files have, by its scale where it has one. */
  @ParameterizedTest
  @ValueSource(strings = {"llama", "qwen3", "gemma3"})
  void lookingAtAGgufFile_findsWhatLoadingFinds(String kind) throws IOException {
    Path sound = Golden.path("gguf/" + kind + ".gguf");
    Map<GgufType, GgufFile.Tensor> ofEachType = new LinkedHashMap<>();
    try (GgufFile file = GgufFile.open(sound)) {
      file.tensors().values().forEach(tensor -> ofEachType.putIfAbsent(tensor.type(), tensor));
    }
    assertThat(looked(sound)).isEmpty();
    for (GgufFile.Tensor tensor : ofEachType.values()) {
      byte[] bytes = Files.readAllBytes(sound);
      // All ones are a NaN in each type of floating point.
      Arrays.fill(
          bytes, (int) tensor.offset(), (int) (tensor.offset() + tensor.bytes()), (byte) -1);
      Path damaged = Files.write(directory.resolve(tensor.type() + ".gguf"), bytes);
      assertThat(looked(damaged)).as("%s", tensor).isEqualTo(loaded(damaged)).contains("holds NaN");
    }
  }

  @Test
  void lookingAtAClassifier_includesItsScore() {
    Path model = Golden.copy("classifiers/llama", directory);
    assertThat(looked(model)).isEmpty();
  }

  /** Every bit pattern of 16, and as many of 32, at every place of a word. */
  @Test
  void numbersAreFinite_whereJavaSaysSo() {
    for (DType dtype : DType.values()) {
      for (int pattern = 0; pattern < 1 << 16; pattern++) {
        int bits = dtype == DType.F32 ? pattern << 16 | (pattern * 31 & 0xffff) : pattern;
        float value =
            switch (dtype) {
              case F32 -> Float.intBitsToFloat(bits);
              case F16 -> DType.fromF16((short) bits);
              case BF16 -> DType.fromBf16((short) bits);
            };
        // Two bytes or numbers more than whole words have; all others are the largest there is.
        int numbers = 16 / dtype.bytes() + 1;
        ByteBuffer bytes = ByteBuffer.allocate(numbers * dtype.bytes());
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < numbers; i++) {
          int largest =
              switch (dtype) {
                case F32 -> 0xff7fffff;
                case F16 -> 0x7bff;
                case BF16 -> 0x7f7f;
              };
          int each = i == pattern % numbers ? bits : largest;
          if (dtype == DType.F32) {
            bytes.putInt(each);
          } else {
            bytes.putShort((short) each);
          }
        }
        Finite finite = new Finite(FILE, "w", Shape.of(numbers));
        finite.add(bytes.flip(), dtype);
        assertThat(catchThrowable(finite::end) == null)
            .as("%s %x", dtype, bits)
            .isEqualTo(Float.isFinite(value));
      }
    }
  }

  /** The message, or nothing. */
  private static String looked(Path model) {
    try (Checkpoint checkpoint = Checkpoint.openForValues(model)) {
      checkpoint.checkFinite(bytes -> assertThat(bytes).isPositive());
      return "";
    } catch (CheckpointException e) {
      return e.getMessage();
    }
  }

  private static String loaded(Path model) {
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      checkpoint.names().forEach(checkpoint::floats);
      return "";
    } catch (CheckpointException e) {
      return e.getMessage();
    }
  }

  @Test
  void adapterWithANan_isRefused() {
    ModelConfig base = ModelConfig.read(Golden.path("gqa-tied-bf16"));
    Adapter sound = Adapter.read(Golden.path("gqa-adapter"), base);
    Map<String, TensorData> tensors = new LinkedHashMap<>(sound.tensors());
    String name = tensors.keySet().iterator().next();
    TensorData first = Objects.requireNonNull(tensors.get(name));
    float[] values = first.floats();
    values[values.length - 1] = Float.NEGATIVE_INFINITY;
    tensors.put(name, TensorData.of(values, first.shape().toArray()));
    new Adapter(sound.config(), tensors).write(directory);
    assertThatThrownBy(() -> Adapter.read(directory, base))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(
            "tensor 'base_model.model." + name + "' holds a negative infinity at");
  }
}
