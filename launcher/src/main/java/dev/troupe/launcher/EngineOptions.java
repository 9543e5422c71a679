package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** On what and in what numbers a one-off command answers. */
final class EngineOptions {
  @Mixin private DeviceOptions reading;

  @Option(
      names = "--weights",
      paramLabel = "NUMBERS",
      defaultValue = "AUTO",
      description =
          "of the matrices while answering: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}:"
              + " FP32 on the CPU, BF16 on CUDA; with NF4 and FP4 the model is held in four bits")
  private PipelineConfig.RolloutWeights weights;

  @Option(
      names = "--kernels",
      paramLabel = "WHOSE",
      defaultValue = "AUTO",
      description =
          "operators while answering: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}: Troupe's"
              + " own library where it is there and fits, else torch's")
  private PipelineConfig.Kernels kernels;

  PipelineConfig.Engine engine() {
    return reading.engine(weights, kernels);
  }
}
