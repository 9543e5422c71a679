package dev.troupe.launcher;

import dev.troupe.protocol.data.Numerics;
import picocli.CommandLine.Option;

/** In what numbers a one-off command computes. */
final class NumericsOptions {
  @Option(
      names = "--precision",
      paramLabel = "NUMBERS",
      defaultValue = "FP32",
      description =
          "of the matrices while reading given tokens: ${COMPLETION-CANDIDATES}; default"
              + " ${DEFAULT-VALUE}")
  private Numerics.Precision precision;

  @Option(
      names = "--weights",
      paramLabel = "NUMBERS",
      defaultValue = "FP32",
      description =
          "of the matrices while answering: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}")
  private Numerics.RolloutWeights weights;

  Numerics numerics() {
    return new Numerics(precision, weights);
  }
}
