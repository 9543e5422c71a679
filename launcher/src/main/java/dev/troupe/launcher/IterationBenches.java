package dev.troupe.launcher;

import dev.troupe.launcher.bench.Measurement;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The commands of {@code troupe bench} that do whole iterations of a recipe. */
final class IterationBenches {
  private IterationBenches() {}

  private interface Bench {
    List<Measurement> run(Path model, Path scratch, int rounds, List<String> settings)
        throws IOException;
  }

  private static int measure(
      BenchOptions common, ModelOptions model, Iteration iteration, Bench bench)
      throws IOException {
    try (Scratch scratch = new Scratch()) {
      common.print(
          bench.run(model.existing(), scratch.path(), common.rounds(), iteration.settings));
    }
    return ExitCode.OK;
  }

  /** What iterations of all recipes have. */
  private static final class Iteration {
    @Option(
        names = "--prompt-tokens",
        paramLabel = "N",
        description = "of each prompt; default ${DEFAULT-VALUE}")
    private int promptTokens = 64;

    @Option(
        names = "--new-tokens",
        paramLabel = "N",
        description = "per answer; default ${DEFAULT-VALUE}")
    private int newTokens = 64;

    @Option(
        names = "--set",
        paramLabel = "KEY=VALUE",
        description = "a setting of the run, as of troupe run")
    private List<String> settings = List.of();
  }

  private static final class PpoIteration {
    @Option(
        names = "--prompts",
        paramLabel = "N",
        description = "of an iteration; default ${DEFAULT-VALUE}")
    private int prompts = 64;

    @Mixin private Iteration all = new Iteration();

    IterationBench bench() {
      return new IterationBench(
          IterationBench.Kind.PPO, prompts, 1, all.promptTokens, all.newTokens);
    }
  }

  private static final class GrpoIteration {
    @Option(
        names = "--prompts",
        paramLabel = "N",
        description = "of an iteration; default ${DEFAULT-VALUE}")
    private int prompts = 8;

    @Option(
        names = "--answers",
        paramLabel = "N",
        description = "to each prompt; default ${DEFAULT-VALUE}")
    private int answers = 8;

    @Mixin private Iteration all = new Iteration();

    IterationBench bench() {
      return new IterationBench(
          IterationBench.Kind.GRPO, prompts, answers, all.promptTokens, all.newTokens);
    }
  }

  @Command(
      name = "ppo",
      mixinStandardHelpOptions = true,
      description = "Seconds of a whole PPO iteration by phase, and the memory it takes.")
  static final class Ppo implements Callable<Integer> {
    @Mixin private BenchOptions common = new BenchOptions();
    @Mixin private ModelOptions model = new ModelOptions();
    @Mixin private PpoIteration iteration = new PpoIteration();

    @Override
    public Integer call() throws IOException {
      return measure(common, model, iteration.all, iteration.bench()::run);
    }
  }

  @Command(
      name = "memory",
      mixinStandardHelpOptions = true,
      description =
          "Where the memory of PPO goes: the four roles on one base, by purpose, and the process at"
              + " its peak.")
  static final class Memory implements Callable<Integer> {
    @Mixin private BenchOptions common = new BenchOptions();
    @Mixin private ModelOptions model = new ModelOptions();
    @Mixin private PpoIteration iteration = new PpoIteration();

    @Override
    public Integer call() throws IOException {
      return measure(common, model, iteration.all, new MemoryBench(iteration.bench())::run);
    }
  }

  @Command(
      name = "grpo",
      mixinStandardHelpOptions = true,
      description = "Seconds of a whole GRPO iteration by phase, and the memory it takes.")
  static final class Grpo implements Callable<Integer> {
    @Mixin private BenchOptions common = new BenchOptions();
    @Mixin private ModelOptions model = new ModelOptions();
    @Mixin private GrpoIteration iteration = new GrpoIteration();

    @Override
    public Integer call() throws IOException {
      return measure(common, model, iteration.all, iteration.bench()::run);
    }
  }

  @Command(
      name = "rules",
      mixinStandardHelpOptions = true,
      description =
          "What rewards by rules take for the answers of an iteration of GRPO, and that as a share"
              + " of the iteration, in one process.")
  static final class Rules implements Callable<Integer> {
    @Mixin private BenchOptions common = new BenchOptions();
    @Mixin private ModelOptions model = new ModelOptions();
    @Mixin private GrpoIteration iteration = new GrpoIteration();

    @Override
    public Integer call() throws IOException {
      return measure(common, model, iteration.all, new RulesBench(iteration.bench())::run);
    }
  }
}
