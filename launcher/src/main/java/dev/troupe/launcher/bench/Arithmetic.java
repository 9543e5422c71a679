package dev.troupe.launcher.bench;

import dev.troupe.models.checkpoint.ModelConfig;

/** The floating-point operations and bytes that a work cannot do without. */
final class Arithmetic {
  private final double layers;
  private final double head;
  private final double attentionPerPair;

  Arithmetic(ModelConfig config) {
    layers =
        config.weights().stream()
            .filter(
                weight ->
                    switch (weight.slot()) {
                      case QKV, OUT, UP, DOWN -> true;
                      default -> false;
                    })
            .mapToDouble(weight -> weight.elements())
            .sum();
    head = (double) config.vocabSize() * config.hiddenSize();
    attentionPerPair = 4.0 * config.layers() * config.heads() * config.headDim();
  }

  /** One pass over sequences of this length, the head at the positions read. */
  double forward(long rows, long tokens, long reads) {
    double pairs = tokens * (tokens + 1) / 2.0;
    return rows * (2 * layers * tokens + attentionPerPair * pairs) + 2 * head * reads;
  }

  /**
   * A training step with frozen weights: forward, and backward to the activations, which costs as
   * much again in each product and twice as much in attention. The adapters are left out.
   */
  double frozenStep(long rows, long tokens, long reads) {
    double pairs = tokens * (tokens + 1) / 2.0;
    return rows * (4 * layers * tokens + 3 * attentionPerPair * pairs) + 4 * head * reads;
  }

  /** One token after a prefix, per row. */
  double decode(long prefix) {
    return 2 * (layers + head) + attentionPerPair * prefix;
  }

  /** Weights that one token must read. */
  double weights() {
    return layers + head;
  }
}
