package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;

/**
 * The shape of a new Llama-architecture model with random weights.
 *
 * @param hiddenSize width, a multiple of {@code heads}; each head's width must be even
 * @param layers decoder layers
 * @param heads attention heads
 * @param kvHeads key/value heads, a divisor of {@code heads}
 * @param intermediateSize width of the feed-forward layer
 * @param vocabSize tokens of the byte-level BPE tokenizer trained with it, at least 256 bytes and 3
 *     special tokens
 * @param contextLength longest sequence
 * @param initialStandardDeviation of the normal distribution that weights are drawn from
 */
public record ModelInitConfig(
    int hiddenSize,
    int layers,
    int heads,
    int kvHeads,
    int intermediateSize,
    int vocabSize,
    int contextLength,
    double initialStandardDeviation) {
  public ModelInitConfig {
    new Limits()
        .atLeast("layers", layers, 1)
        .atLeast("heads", heads, 1)
        .condition(
            "hidden-size",
            hiddenSize,
            hiddenSize >= 1 && (heads < 1 || hiddenSize % (2 * heads) == 0),
            "a multiple of twice heads (" + 2 * heads + ")",
            "heads")
        .condition(
            "kv-heads",
            kvHeads,
            kvHeads >= 1 && (heads < 1 || heads % kvHeads == 0),
            "a divisor of heads (" + heads + ")",
            "heads")
        .atLeast("intermediate-size", intermediateSize, 1)
        .atLeast("vocab-size", vocabSize, 259)
        .atLeast("context-length", contextLength, 2)
        .above("initial-standard-deviation", initialStandardDeviation, 0)
        .verify();
  }
}
