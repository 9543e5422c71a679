package dev.troupe.models.fresh;

import dev.troupe.models.checkpoint.CheckpointWriter;
import dev.troupe.models.checkpoint.DType;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.checkpoint.Shape;
import dev.troupe.models.checkpoint.TensorData;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/**
 * The shape of a new Llama-architecture model with a tied embedding. {@link #write} makes a
 * checkpoint of it to pre-train from.
 *
 * @param vocabSize tokens of the byte-level BPE; fewer come out when the corpus has no more pairs
 * @param initialStandardDeviation of the normal distribution of the weights. 1/sqrt(hiddenSize) is
 *     a good choice for narrow models, which learn several times slower from 0.02
 */
public record FreshModel(
    int hiddenSize,
    int layers,
    int heads,
    int kvHeads,
    int intermediateSize,
    int vocabSize,
    int contextLength,
    double initialStandardDeviation) {
  /** The one special token: ends a text and fills up. */
  public static final String END_OF_TEXT = "<|endoftext|>";

  private static final double NORM_EPSILON = 1e-5;
  private static final double ROPE_THETA = 10_000;

  /**
   * Trains the tokenizer on the corpus, draws the weights and writes both.
   *
   * @param directory made when it does not exist
   * @param seed of the weights
   */
  public void write(Path directory, Iterable<String> corpus, long seed) {
    BpeVocabulary vocabulary = BpeTrainer.train(corpus, vocabSize, List.of(END_OF_TEXT));
    ModelConfig config = config(vocabulary.tokens().size());
    vocabulary.write(
        directory,
        new BpeVocabulary.Setup(
            Optional.empty(),
            END_OF_TEXT,
            Optional.of(END_OF_TEXT),
            Optional.empty(),
            contextLength));
    CheckpointWriter.write(
        directory, config, weights(config, seed), DType.F32, CheckpointWriter.DEFAULT_SHARD_BYTES);
  }

  private ModelConfig config(int tokens) {
    return ModelConfig.llama(
        tokens,
        hiddenSize,
        intermediateSize,
        layers,
        heads,
        kvHeads,
        hiddenSize / heads,
        NORM_EPSILON,
        ROPE_THETA,
        contextLength,
        true,
        List.of(0),
        OptionalInt.empty(),
        OptionalInt.of(0));
  }

  /** Norms 1, all else normal; what writes into the residual stream is scaled down (GPT-2). */
  private Map<String, TensorData> weights(ModelConfig config, long seed) {
    Random random = new Random(seed);
    Map<String, TensorData> weights = new LinkedHashMap<>();
    for (Map.Entry<String, Shape> entry : config.tensors().entrySet()) {
      String name = entry.getKey();
      boolean norm = name.endsWith("norm.weight");
      boolean residual = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
      double deviation =
          residual ? initialStandardDeviation / Math.sqrt(2.0 * layers) : initialStandardDeviation;
      float[] values = new float[Math.toIntExact(entry.getValue().elements())];
      for (int i = 0; i < values.length; i++) {
        values[i] = norm ? 1 : (float) (deviation * random.nextGaussian());
      }
      weights.put(name, new TensorData(entry.getValue(), FloatBuffer.wrap(values)));
    }
    return weights;
  }
}
