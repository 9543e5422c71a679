package dev.troupe.launcher;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.recipe.ModelInitConfig;
import dev.troupe.rlhf.recipe.TuningConfig;
import java.util.List;

/**
 * The numbers of a Llama-architecture model that memory depends on.
 *
 * @param headDim width of one head
 */
record ModelSize(
    long vocabSize,
    long hiddenSize,
    long intermediateSize,
    long layers,
    long heads,
    long kvHeads,
    long headDim,
    long contextLength,
    boolean tiedEmbeddings) {
  private static final List<String> LINEAR =
      List.of("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");

  static ModelSize of(ModelConfig config) {
    return new ModelSize(
        config.vocabSize(),
        config.hiddenSize(),
        config.intermediateSize(),
        config.layers(),
        config.heads(),
        config.kvHeads(),
        config.headDim(),
        config.maxPositionEmbeddings(),
        config.tiedEmbeddings());
  }

  static ModelSize of(ModelInitConfig config) {
    return new ModelSize(
        config.vocabSize(),
        config.hiddenSize(),
        config.intermediateSize(),
        config.layers(),
        config.heads(),
        config.kvHeads(),
        config.hiddenSize() / config.heads(),
        config.contextLength(),
        true);
  }

  /** Weights of the linear layers inside the decoder. */
  long linearParameters() {
    return layers
        * (hiddenSize * queryWidth() * 2
            + hiddenSize * kvWidth() * 2
            + 3 * hiddenSize * intermediateSize);
  }

  /** All weights. */
  long parameters() {
    long norms = (2 * layers + 1) * hiddenSize;
    long embeddings = vocabSize * hiddenSize * (tiedEmbeddings ? 1 : 2);
    return linearParameters() + norms + embeddings;
  }

  /** What a role trains, value head not counted. */
  long trainedParameters(TuningConfig tuning) {
    if (tuning instanceof TuningConfig.Lora lora) {
      // Patterns of ranks are left out of account; a regular expression counts as all layers.
      long adapted = lora.layers().isEmpty() ? layers : lora.layers().size();
      return LINEAR.stream()
              .filter(linear -> lora.targets().stream().anyMatch(target -> names(target, linear)))
              .mapToLong(linear -> inPlusOut(linear) * lora.rank())
              .sum()
          * adapted;
    }
    return parameters();
  }

  /** Keys and values of one token in all layers. */
  long cacheNumbersPerToken() {
    return 2 * layers * kvWidth();
  }

  /** What the backward pass keeps of one token: inputs of every linear layer, norm and product. */
  long activationNumbersPerToken() {
    return layers * (4 * hiddenSize + 2 * queryWidth() + 2 * kvWidth() + 4 * intermediateSize);
  }

  private static boolean names(String target, String linear) {
    return target.equals(Tuning.Lora.ALL_LINEAR)
        || target.startsWith(Tuning.Lora.REGEX)
        || target.equals(linear)
        || target.endsWith("." + linear)
        || !LINEAR.contains(target.substring(target.lastIndexOf('.') + 1));
  }

  private long inPlusOut(String target) {
    return switch (target) {
      case "q_proj", "o_proj" -> hiddenSize + queryWidth();
      case "k_proj", "v_proj" -> hiddenSize + kvWidth();
      default -> hiddenSize + intermediateSize;
    };
  }

  private long queryWidth() {
    return heads * headDim;
  }

  private long kvWidth() {
    return kvHeads * headDim;
  }
}
