package dev.troupe.launcher;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.generation.Generator;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.rlhf.recipe.ModelInitConfig;
import dev.troupe.rlhf.recipe.OptimizerConfig;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.util.List;
import java.util.OptionalInt;

/** The numbers of a model that memory depends on, from its configuration alone. */
record ModelSize(ModelConfig config) {
  static ModelSize of(ModelInitConfig fresh) {
    return new ModelSize(
        ModelConfig.llama(
            fresh.vocabSize(),
            fresh.hiddenSize(),
            fresh.intermediateSize(),
            fresh.layers(),
            fresh.heads(),
            fresh.kvHeads(),
            fresh.hiddenSize() / fresh.heads(),
            1e-5,
            10_000,
            fresh.contextLength(),
            true,
            List.of(),
            OptionalInt.empty(),
            OptionalInt.empty()));
  }

  long contextLength() {
    return config.maxPositionEmbeddings();
  }

  /** Bytes of the frozen base. */
  long baseBytes(Numerics numerics) {
    return BaseModel.bytes(config, numerics.precision(), numerics.quantisation());
  }

  /** Bytes of the merged weights that sample. */
  long shadowBytes(Numerics numerics) {
    return Generator.shadowBytes(config, numerics.rollouts());
  }

  /** Tokens that go through at once. */
  long microBatchTokens(OptimizerConfig optimizer, Numerics numerics) {
    return optimizer.microBatchTokens() == 0
        ? HybridEngines.microBatchTokens(config, numerics)
        : optimizer.microBatchTokens();
  }

  /**
   * Micro-batches that a step may have.
   *
   * @param sequences of the step
   * @param longest tokens that each may have
   */
  long mostMicroBatches(
      OptimizerConfig optimizer, Numerics numerics, long sequences, long longest) {
    long micro = microBatchTokens(optimizer, numerics);
    return Math.min(sequences, Math.max(2, sequences * longest / micro + 1));
  }

  /** What a role trains, value head not counted. */
  long trainedParameters(TuningConfig tuning) {
    return HybridEngines.trainedParameters(tuning.tuning(), config);
  }

  /** The same with what it has and does not train. */
  long ownParameters(TuningConfig tuning) {
    return HybridEngines.ownParameters(tuning.tuning(), config);
  }

  /** Numbers that a lane makes of a base in blocks at once. */
  long numbersOutOfBlocks(Numerics numerics) {
    return HybridEngines.numbersOutOfBlocks(config, numerics);
  }

  /** Keys and values of one token in all layers. */
  long cacheNumbersPerToken() {
    return 2L * config.layers() * config.kvHeads() * config.headDim();
  }

  /**
   * What the backward pass keeps of one token: inputs of every linear layer, norm and product, and
   * the probabilities of attention.
   *
   * @param longest tokens of a text
   * @param recompute whether it keeps them of one segment of layers at a time
   */
  long activationNumbersPerToken(long longest, boolean recompute) {
    long inner = (config.decoder().mlp().gated() ? 4L : 2L) * config.intermediateSize();
    long heads = 2L * (config.heads() + config.kvHeads()) * config.headDim();
    long layer =
        4L * config.hiddenSize() + heads + inner + BaseModel.keptProbabilities(config, longest);
    if (!recompute) {
      return config.layers() * layer;
    }
    int segment = ParameterLayout.segmentLayers(config);
    int segments = (config.layers() + segment - 1) / segment;
    return segment * layer + (long) segments * config.hiddenSize();
  }

  /** Numbers of the logits that a lane keeps for the backward pass, of this many positions read. */
  long keptLogitNumbers(long tokens) {
    return Math.min(tokens, BaseModel.keptLogitRows(config)) * config.vocabSize();
  }

  /** Numbers of the logits that exist at once in a lane. */
  long logitNumbers() {
    return (long) BaseModel.logitRows(config) * config.vocabSize();
  }
}
