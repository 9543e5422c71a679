package dev.troupe.actors.pipeline;

import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import dev.troupe.models.tokenizer.ChatTemplate;
import dev.troupe.rlhf.recipe.ModelInitConfig;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/** A model that has learned nothing: a tokenizer of the corpus and random weights. */
final class NewModel {
  private static final String BEGIN = "<s>";
  private static final String END = "</s>";
  private static final String PAD = "<pad>";

  private NewModel() {}

  /** Writes the checkpoint directory; the same seed writes the same bytes. */
  static void write(Path directory, ModelInitConfig shape, List<String> corpus, long seed) {
    BpeVocabulary vocabulary =
        BpeTrainer.train(corpus, shape.vocabSize(), List.of(PAD, BEGIN, END));
    ModelConfig config =
        new ModelConfig(
            ModelConfig.LLAMA,
            vocabulary.tokens().size(),
            shape.hiddenSize(),
            shape.intermediateSize(),
            shape.layers(),
            shape.heads(),
            shape.kvHeads(),
            shape.hiddenSize() / shape.heads(),
            1e-5,
            10000,
            Optional.empty(),
            shape.contextLength(),
            true,
            List.of(vocabulary.tokens().indexOf(END)),
            OptionalInt.of(vocabulary.tokens().indexOf(BEGIN)),
            OptionalInt.of(vocabulary.tokens().indexOf(PAD)));
    Random random = new Random(seed);
    Map<String, TensorData> tensors = new LinkedHashMap<>();
    config
        .tensors()
        .forEach(
            (name, dimensions) -> {
              float[] values = new float[Math.toIntExact(dimensions.elements())];
              for (int i = 0; i < values.length; i++) {
                values[i] =
                    name.endsWith("norm.weight")
                        ? 1
                        : (float) (random.nextGaussian() * shape.initialStandardDeviation());
              }
              tensors.put(name, TensorData.of(values, dimensions.dimensions()));
            });
    CheckpointWriter.write(
        directory, config, tensors, DType.F32, CheckpointWriter.DEFAULT_SHARD_BYTES);
    vocabulary.write(
        directory,
        new BpeVocabulary.Setup(
            Optional.of(BEGIN),
            END,
            Optional.of(PAD),
            Optional.of(ChatTemplate.SIMPLE),
            shape.contextLength()));
  }
}
