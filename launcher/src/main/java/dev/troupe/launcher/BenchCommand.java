package dev.troupe.launcher;

import dev.troupe.actors.cluster.Ensemble;
import dev.troupe.actors.role.Exchanging;
import dev.troupe.configuration.PipelineConfigurations;
import dev.troupe.launcher.bench.BenchModel;
import dev.troupe.launcher.bench.CostModel;
import dev.troupe.launcher.bench.DemandsBench;
import dev.troupe.launcher.bench.GenerateBench;
import dev.troupe.launcher.bench.GroupsBench;
import dev.troupe.launcher.bench.Limits;
import dev.troupe.launcher.bench.PackingBench;
import dev.troupe.launcher.bench.SimulatedEngines;
import dev.troupe.launcher.bench.TrainBench;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Storage;
import dev.troupe.rlhf.recipe.RolloutsConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code troupe bench}: how fast this machine works. */
@Command(
    name = "bench",
    mixinStandardHelpOptions = true,
    description =
        "Measures generation, training and the flip, each as a share of what this machine's"
            + " arithmetic and memory allow. bench/README.md has the same work by other programs.",
    subcommands = {
      IterationBenches.Ppo.class,
      IterationBenches.Memory.class,
      IterationBenches.Grpo.class,
      IterationBenches.Rules.class
    })
final class BenchCommand implements Runnable {
  /** Where Troupe is installed, from any directory. */
  private static final String QUICKSTART_BASE = "${env:TROUPE_HOME:-.}/configs/quickstart-base";

  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "name what to measure");
  }

  /** A tokenizer for a model that is only measured. */
  private static final class TokenizerOption {
    @Option(
        names = "--tokenizer",
        paramLabel = "MODEL",
        defaultValue = QUICKSTART_BASE,
        description = "whose tokenizer files it gets; default ${DEFAULT-VALUE}")
    private Path tokenizer = Path.of("");

    Path existing() {
      if (!Files.exists(tokenizer.resolve("tokenizer.json"))) {
        throw new UserException(
            tokenizer + " has no tokenizer.json; --tokenizer names a model's directory");
      }
      return tokenizer;
    }
  }

  @Command(
      name = "limits",
      mixinStandardHelpOptions = true,
      description = "Arithmetic and memory bandwidth of this machine.")
  int limits(@Mixin BenchOptions common) {
    common.print(Limits.measure(Lanes.shared(), common.rounds()).all());
    return ExitCode.OK;
  }

  @Command(
      name = "model",
      mixinStandardHelpOptions = true,
      description = "Writes a model with random weights to measure on.")
  int model(
      @Parameters(paramLabel = "DIR", description = "directory to make") Path directory,
      @Option(
              names = "--shape",
              defaultValue = "SMOLLM_135M",
              description = "${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}")
          BenchModel shape,
      @Mixin TokenizerOption tokenizer) {
    if (Files.exists(directory)) {
      throw new UserException(directory + " exists already; name a new directory");
    }
    shape.write(directory, tokenizer.existing());
    return ExitCode.OK;
  }

  @Command(
      name = "generate",
      mixinStandardHelpOptions = true,
      description = "Tokens per second of answers to random prompts.")
  int generate(
      @Mixin BenchOptions common,
      @Mixin ModelOptions model,
      @Option(
              names = "--weights",
              paramLabel = "FORMAT",
              description = "FP32, BF16, FP16, INT8, several after commas; default all",
              split = ",")
          List<Storage> formats,
      @Option(
              names = "--kernels",
              paramLabel = "WHOSE",
              defaultValue = "AUTO",
              description = "operators: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}")
          Numerics.Kernels kernels,
      @Option(
              names = "--pairs",
              description =
                  "how many times as fast Troupe's own operators are as torch's, in turn in one"
                      + " process")
          boolean pairs,
      @Option(
              names = "--cache-pairs",
              description =
                  "how many times as fast keys and values in bf16 make Troupe's own operators, over"
                      + " fp32, in turn in one process")
          boolean cachePairs,
      @Option(
              names = "--batch",
              paramLabel = "N",
              defaultValue = "16",
              description = "responses at once; default ${DEFAULT-VALUE}")
          int batch,
      @Option(
              names = "--samples",
              paramLabel = "N",
              defaultValue = "1",
              description = "responses to each prompt; default ${DEFAULT-VALUE}")
          int samples,
      @Option(
              names = "--prompt-tokens",
              paramLabel = "N",
              defaultValue = "64",
              description = "of each; default ${DEFAULT-VALUE}")
          int promptTokens,
      @Option(
              names = "--new-tokens",
              paramLabel = "N",
              defaultValue = "128",
              description = "per prompt; default ${DEFAULT-VALUE}")
          int newTokens,
      @Option(names = "--greedy", description = "the likeliest token instead of a sampled one")
          boolean greedy) {
    if (samples < 1 || batch % samples != 0) {
      throw new UserException(
          "--samples " + samples + ": must divide the responses at once (--batch " + batch + ")");
    }
    List<GenerateBench> works =
        (formats == null ? List.copyOf(Storage.ofRollouts()) : formats)
            .stream()
                .map(
                    format ->
                        new GenerateBench(
                            format,
                            kernels,
                            Numerics.Cache.AUTO,
                            batch,
                            samples,
                            promptTokens,
                            newTokens,
                            greedy))
                .toList();
    if (cachePairs) {
      for (GenerateBench work : works) {
        common.print(
            GenerateBench.halfOverFullCache(
                work, model.existing(), Lanes.shared(), common.rounds()));
      }
      return ExitCode.OK;
    }
    if (pairs) {
      for (GenerateBench work : works) {
        common.print(
            GenerateBench.nativeOverTorch(work, model.existing(), Lanes.shared(), common.rounds()));
      }
      return ExitCode.OK;
    }
    Limits limits = common.limits();
    for (GenerateBench work : works) {
      common.print(List.of(work.run(model.existing(), Lanes.shared(), limits, common.rounds())));
    }
    return ExitCode.OK;
  }

  @Command(
      name = "groups",
      mixinStandardHelpOptions = true,
      description =
          "How much longer groups of answers would take if each had a prefill of its own, in turn"
              + " in one process.")
  int groups(
      @Mixin BenchOptions common,
      @Mixin ModelOptions model,
      @Option(
              names = "--weights",
              paramLabel = "FORMAT",
              defaultValue = "FP32",
              description = "FP32, BF16, FP16, INT8; default ${DEFAULT-VALUE}")
          Storage format,
      @Option(
              names = "--groups",
              paramLabel = "N",
              defaultValue = "8",
              description = "prompts; default ${DEFAULT-VALUE}")
          int groups,
      @Option(
              names = "--answers",
              paramLabel = "N",
              defaultValue = "8",
              description = "to each prompt; default ${DEFAULT-VALUE}")
          int answers,
      @Option(
              names = "--prompt-tokens",
              paramLabel = "N",
              defaultValue = "256",
              description = "of each; default ${DEFAULT-VALUE}")
          int promptTokens,
      @Option(
              names = "--new-tokens",
              paramLabel = "N",
              defaultValue = "64",
              description = "per answer; default ${DEFAULT-VALUE}")
          int newTokens) {
    common.print(
        List.of(
            new GroupsBench(format, groups, answers, promptTokens, newTokens)
                .run(model.existing(), Lanes.shared(), common.rounds())));
    return ExitCode.OK;
  }

  @Command(
      name = "prefill",
      mixinStandardHelpOptions = true,
      description = "Tokens per second of one long prompt.")
  int prefill(
      @Mixin BenchOptions common,
      @Mixin ModelOptions model,
      @Option(
              names = "--tokens",
              paramLabel = "N",
              defaultValue = "2047",
              description = "of the prompt; default ${DEFAULT-VALUE}")
          int tokens) {
    common.print(
        List.of(
            GenerateBench.prefill(
                model.existing(), Lanes.shared(), common.limits(), tokens, common.rounds())));
    return ExitCode.OK;
  }

  @Command(
      name = "train",
      mixinStandardHelpOptions = true,
      description = "Tokens per second of LoRA training, and of scoring.")
  int train(
      @Mixin BenchOptions common,
      @Mixin ModelOptions model,
      @Option(names = "--batch", paramLabel = "N", defaultValue = "8", description = "texts")
          int batch,
      @Option(
              names = "--tokens",
              paramLabel = "N",
              defaultValue = "256",
              description = "of each; default ${DEFAULT-VALUE}")
          int tokens,
      @Option(
              names = "--precision",
              paramLabel = "NUMBERS",
              defaultValue = "FP32",
              description = "of the matrices: FP32, BF16; default ${DEFAULT-VALUE}")
          Storage precision,
      @Option(names = "--recompute", description = "compute activations again in the backward pass")
          boolean recompute,
      @Option(
              names = "--pairs",
              description =
                  "how many times as fast Troupe's own operators are as torch's, in turn in one"
                      + " process")
          boolean pairs,
      @Option(
              names = "--base",
              paramLabel = "STORAGE",
              description =
                  "INT8, NF4 or FP4: how many times as long a step takes on a base that is held so, in"
                      + " blocks of 64 with scales in eight bits, in turn in one process")
          @Nullable Storage base) {
    TrainBench bench = new TrainBench(batch, tokens, precision, recompute);
    if (base != null) {
      if (!Storage.ofBlocks().contains(base)) {
        throw new UserException("--base " + base + ": expected one of " + Storage.ofBlocks());
      }
      common.print(
          bench.heldOverPlain(
              model.existing(), new Quantisation(base, 64, true), Lanes.shared(), common.rounds()));
      return ExitCode.OK;
    }
    common.print(
        pairs
            ? bench.nativeOverTorch(model.existing(), Lanes.shared(), common.rounds())
            : bench.run(model.existing(), Lanes.shared(), common.limits(), common.rounds()));
    return ExitCode.OK;
  }

  @Command(
      name = "packing",
      mixinStandardHelpOptions = true,
      description =
          "How much longer steps of SFT take without packing, at drawn lengths of text, in turn in"
              + " one process.")
  int packing(
      @Mixin BenchOptions common,
      @Mixin ModelOptions model,
      @Option(
              names = "--batch",
              paramLabel = "N",
              split = ",",
              defaultValue = "16,32,64",
              description = "texts of a step; default ${DEFAULT-VALUE}")
          List<Integer> batches,
      @Option(
              names = "--median",
              paramLabel = "N",
              split = ",",
              defaultValue = "40,120",
              description = "tokens of a text; default ${DEFAULT-VALUE}")
          List<Integer> medians,
      @Option(
              names = "--deviation",
              paramLabel = "X",
              defaultValue = "0.7",
              description = "of the logarithm of the length; default ${DEFAULT-VALUE}")
          double deviation,
      @Option(
              names = "--longest",
              paramLabel = "N",
              defaultValue = "256",
              description = "tokens of a text; default ${DEFAULT-VALUE}")
          int longest) {
    for (int median : medians) {
      for (int batch : batches) {
        common.print(
            new PackingBench(batch, median, deviation, longest)
                .run(model.existing(), Lanes.shared(), common.rounds()));
      }
    }
    return ExitCode.OK;
  }

  @Command(
      name = "flip",
      mixinStandardHelpOptions = true,
      description = "Milliseconds from training to generating, in each weight format.")
  int flip(@Mixin BenchOptions common, @Mixin ModelOptions model) {
    for (Storage format : Storage.ofRollouts()) {
      common.print(GenerateBench.flips(model.existing(), format, Lanes.shared(), common.rounds()));
    }
    return ExitCode.OK;
  }

  @Command(
      name = "demands",
      mixinStandardHelpOptions = true,
      description =
          "The speeds demanded of the design, each as a ratio within this process, on a model that"
              + " is made for it and deleted. A demand that is missed is a figure too: the exit code"
              + " says only whether all could be measured.")
  int demands(
      @Mixin BenchOptions common,
      @Option(
              names = "--only",
              paramLabel = "PART",
              split = ",",
              description = "${COMPLETION-CANDIDATES}; default all")
          List<DemandsBench.Part> parts,
      @Mixin TokenizerOption tokenizer)
      throws IOException {
    try (Scratch scratch = new Scratch()) {
      Path model = scratch.path().resolve(BenchModel.BRIEF.toString());
      BenchModel.BRIEF.write(model, tokenizer.existing());
      for (DemandsBench.Part part : parts == null ? List.of(DemandsBench.Part.values()) : parts) {
        common.print(part.measure(model, Lanes.shared(), common.rounds()));
      }
    }
    return ExitCode.OK;
  }

  @Command(
      name = "orchestration",
      mixinStandardHelpOptions = true,
      description =
          "What actors, messages and the recipe cost beside the engines, which wait here in place"
              + " of computing: PPO with many rollout workers.")
  int orchestration(
      @Mixin BenchOptions common,
      @Option(
              names = "--workers",
              paramLabel = "N",
              split = ",",
              defaultValue = "1,4,16,64,256",
              description = "that answer prompts; default ${DEFAULT-VALUE}")
          List<Integer> workers,
      @Option(
              names = "--jvms",
              paramLabel = "N",
              split = ",",
              defaultValue = "0",
              description =
                  "processes that the workers are spread over, beside one for the other roles; 0:"
                      + " all in this one, without sockets; default ${DEFAULT-VALUE}")
          List<Integer> jvms,
      @Option(
              names = "--speed",
              paramLabel = "X",
              defaultValue = "1",
              description = "by which the engines are faster; default ${DEFAULT-VALUE}")
          double speed,
      @Option(
              names = "--parameters",
              paramLabel = "N",
              defaultValue = "2442240",
              description = "of the policy's adapter; default ${DEFAULT-VALUE}")
          int parameters,
      @Option(
              names = "--tokenizer",
              paramLabel = "MODEL",
              defaultValue = QUICKSTART_BASE,
              description = "for the prompts; default ${DEFAULT-VALUE}")
          Path tokenizer)
      throws IOException {
    for (int spread : jvms) {
      for (int count : workers) {
        try (Scratch scratch = new Scratch()) {
          common.print(
              new OrchestrationBench(count, spread, speed, parameters)
                  .run(tokenizer, scratch.path(), common.rounds()));
        }
      }
    }
    return ExitCode.OK;
  }

  @Command(
      name = "rollouts",
      mixinStandardHelpOptions = true,
      description =
          "What sampling beside scoring and learning is worth, where a few answers are much longer"
              + " than most: PPO by phases, with overlap, and with stale rollouts, on engines that"
              + " wait in place of computing, beside what a full use of them would take.")
  int rollouts(
      @Mixin BenchOptions common,
      @Option(
              names = "--workers",
              paramLabel = "N",
              defaultValue = "64",
              description = "that answer prompts; default ${DEFAULT-VALUE}")
          int workers,
      @Option(
              names = "--staleness",
              paramLabel = "K",
              split = ",",
              defaultValue = "1",
              description = "beside 0; default ${DEFAULT-VALUE}")
          List<Integer> staleness,
      @Option(
              names = "--learners",
              paramLabel = "X",
              defaultValue = "2.2",
              description =
                  "as how many machines for each worker those learn and score who do; the more, the"
                      + " larger is sampling's share; default ${DEFAULT-VALUE}")
          double learners,
      @Option(
              names = "--median",
              paramLabel = "N",
              defaultValue = "48",
              description = "tokens of an answer; default ${DEFAULT-VALUE}")
          double median,
      @Option(
              names = "--deviation",
              paramLabel = "X",
              defaultValue = "0.8",
              description = "of their logarithm; default ${DEFAULT-VALUE}")
          double deviation,
      @Option(
              names = "--speed",
              paramLabel = "X",
              defaultValue = "2",
              description = "by which the engines are faster; default ${DEFAULT-VALUE}")
          double speed,
      @Option(
              names = "--tokenizer",
              paramLabel = "MODEL",
              defaultValue = QUICKSTART_BASE,
              description = "for the prompts; default ${DEFAULT-VALUE}")
          Path tokenizer)
      throws IOException {
    RolloutsBench bench =
        new RolloutsBench(
            workers, learners, speed, new SimulatedEngines.Lengths(median, deviation));
    List<RolloutsConfig> ways = new ArrayList<>();
    ways.add(new RolloutsConfig(false, 0));
    ways.add(RolloutsConfig.ON_POLICY);
    staleness.forEach(k -> ways.add(new RolloutsConfig(true, k)));
    for (RolloutsConfig way : ways) {
      try (Scratch scratch = new Scratch()) {
        common.print(bench.run(way, tokenizer, scratch.path(), common.rounds()));
      }
    }
    return ExitCode.OK;
  }

  @Command(name = "simulated-node", hidden = true, description = "A node of bench orchestration.")
  int simulatedNode(
      @Option(names = "--join", required = true) String join,
      @Option(names = "--roles", required = true) String roles,
      @Option(names = "--room", required = true) int room,
      @Option(names = "--workers", required = true) int workers,
      @Option(names = "--speed", required = true) double speed,
      @Option(names = "--parameters", required = true) int parameters) {
    try (Ensemble node =
        Ensemble.node(
            "127.0.0.1",
            0,
            join,
            List.of(roles),
            room,
            PipelineConfigurations.joinTimeout(),
            HandOver.read(System.in).place(),
            new SimulatedEngines(new CostModel(workers, speed, parameters)))) {
      NodeCommand.endWithStandardInput();
      node.ended().join();
    }
    return ExitCode.OK;
  }

  @Command(
      name = "exchange",
      mixinStandardHelpOptions = true,
      description =
          "What an exchange of gradients between replicas takes, each a process of its own on"
              + " loopback: time, processor time and bytes, by Gloo and by messages. Wants Linux.")
  int exchange(
      @Mixin BenchOptions common,
      @Option(
              names = "--parameters",
              paramLabel = "N",
              defaultValue = "10000000",
              description = "that are trained; default ${DEFAULT-VALUE}")
          int parameters,
      @Option(
              names = "--replicas",
              paramLabel = "N",
              split = ",",
              defaultValue = "2",
              description = "default ${DEFAULT-VALUE}")
          List<Integer> replicas,
      @Option(
              names = "--by",
              paramLabel = "CARRIER",
              split = ",",
              defaultValue = "GLOO,MESSAGES",
              description = "${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}")
          List<Exchanging.By> carriers,
      @Option(names = "--fast", description = "in the order of Gloo's own") boolean fast,
      @Option(
              names = "--step",
              paramLabel = "SECONDS",
              defaultValue = "5",
              description = "of the step that it is a part of; default ${DEFAULT-VALUE}")
          double step)
      throws IOException {
    for (int count : replicas) {
      for (Exchanging.By by : carriers) {
        try (Scratch scratch = new Scratch()) {
          common.print(
              new ExchangeBench(parameters, count, step)
                  .run(
                      new Exchanging(by, fast),
                      by == Exchanging.By.MESSAGES ? 10 : 4,
                      scratch.path(),
                      common.rounds()));
        }
      }
    }
    return ExitCode.OK;
  }

  @Command(name = "exchanging-node", hidden = true, description = "A replica of bench exchange.")
  int exchangingNode(
      @Option(names = "--join", required = true) String join,
      @Option(names = "--parameters", required = true) int parameters) {
    try (Ensemble node =
        ExchangeBench.node(
            join,
            parameters,
            HandOver.read(System.in).place(),
            PipelineConfigurations.joinTimeout())) {
      NodeCommand.endWithStandardInput();
      node.ended().join();
    }
    return ExitCode.OK;
  }
}
