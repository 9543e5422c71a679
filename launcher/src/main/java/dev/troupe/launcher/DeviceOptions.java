package dev.troupe.launcher;

import dev.troupe.actors.pipeline.PipelineConfig;
import dev.troupe.models.torch.Device;
import dev.troupe.rlhf.limits.OutOfLimits;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** On what and in what numbers a one-off command reads given tokens. */
final class DeviceOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "what computes: auto, cpu, cuda or cuda:N; default ${DEFAULT-VALUE}")
  private String device;

  @Option(
      names = "--precision",
      paramLabel = "NUMBERS",
      defaultValue = "AUTO",
      description =
          "of the matrices while reading given tokens: ${COMPLETION-CANDIDATES}; default"
              + " ${DEFAULT-VALUE}: FP32 on the CPU, BF16 on CUDA")
  private PipelineConfig.Precision precision;

  PipelineConfig.Engine engine(
      PipelineConfig.RolloutWeights weights, PipelineConfig.Kernels kernels) {
    if (!Device.isName(device)) {
      throw new ParameterException(
          spec.commandLine(), "--device is " + device + ", allowed: auto, cpu, cuda or cuda:N");
    }
    try {
      return new PipelineConfig.Engine(
          device,
          precision,
          weights,
          kernels,
          PipelineConfig.Cache.AUTO,
          PipelineConfig.OnPolicy.USUAL,
          PipelineConfig.Strict.NEVER,
          base(weights));
    } catch (OutOfLimits e) {
      throw new ParameterException(
          spec.commandLine(),
          e.problems().stream()
              .map(problem -> option(problem.key()) + " " + problem.text())
              .collect(Collectors.joining("; ")),
          e);
    }
  }

  /** Weights of four bits are those of the base. */
  private static PipelineConfig.FrozenBase base(PipelineConfig.RolloutWeights weights) {
    PipelineConfig.FrozenBase usual = PipelineConfig.FrozenBase.USUAL;
    return switch (weights) {
      case NF4 -> usual.holding(PipelineConfig.BaseStorage.NF4);
      case FP4 -> usual.holding(PipelineConfig.BaseStorage.FP4);
      default -> usual;
    };
  }

  /** The option that stands for a key of engine. */
  private static String option(String key) {
    return key.equals("rollout-weights") ? "--weights" : "--" + key;
  }
}
