package dev.troupe.models.checkpoint;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.Golden;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.peft.Adapter;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
