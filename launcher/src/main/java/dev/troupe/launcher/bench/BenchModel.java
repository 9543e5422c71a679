package dev.troupe.launcher.bench;

import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.tokenizer.TokenizerFiles;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;

/** Shapes to measure on, with random weights: speed does not ask what a model has learned. */
public enum BenchModel {
  /** Of SmolLM-135M. */
  SMOLLM_135M,
  /** 28 M parameters in its matrices: a minute where the other takes ten. */
  BRIEF,
  /** For tests of the measurements themselves. */
  TINY;

  private static final int CONTEXT = 2048;

  public ModelConfig config() {
    return switch (this) {
      case SMOLLM_135M -> llama(49_152, 576, 1536, 30, 9, 3);
      case BRIEF -> llama(8192, 512, 1408, 8, 8, 4);
      case TINY -> llama(512, 64, 160, 2, 4, 2);
    };
  }

  private static ModelConfig llama(
      int vocabulary, int hidden, int intermediate, int layers, int heads, int kvHeads) {
    return ModelConfig.llama(
        vocabulary,
        hidden,
        intermediate,
        layers,
        heads,
        kvHeads,
        hidden / heads,
        1e-5,
        10_000,
        CONTEXT,
        true,
        List.of(0),
        OptionalInt.empty(),
        OptionalInt.of(0));
  }

  /**
   * Writes a checkpoint in Hugging Face layout, so that the peers measure the same weights.
   *
   * @param tokenizer directory of any model whose tokens are no more than this one's
   */
  public void write(Path directory, Path tokenizer) {
    ModelConfig config = config();
    Map<String, float[]> values = BaseModel.randomTensors(config, 1);
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    config
        .tensors()
        .forEach(
            (name, shape) ->
                tensors.put(name, new TensorData(shape, FloatBuffer.wrap(values.get(name)))));
    CheckpointWriter.write(
        directory, config, tensors, DType.F32, CheckpointWriter.DEFAULT_SHARD_BYTES);
    TokenizerFiles.copy(tokenizer, directory);
  }

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
