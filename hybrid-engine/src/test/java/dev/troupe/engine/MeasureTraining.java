package dev.troupe.engine;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.KernelModule;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;

/**
 * Prints the time of training steps and of scoring as multiples of the least that their matrix
 * products can take on this machine. Argument: a directory to work in.
 */
final class MeasureTraining {
  private static final List<String> ATTENTION = List.of("q_proj", "k_proj", "v_proj", "o_proj");
  private static final int ROUNDS = 7;
  private static final int ROWS = 8;
  private static final int WIDTH = 256;

  private MeasureTraining() {}

  private record One(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  private record Likelihood() implements Objective<One> {
    @Override
    public Set<Output> needs() {
      return Set.of(Output.LOGPROBS);
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (List<TokenOutputs> output : outputs) {
        float[] gradient = new float[output.get(0).logprobs().size()];
        Arrays.fill(gradient, -1f / totals.reads());
        for (float logprob : output.get(0).logprobs().values()) {
          loss -= logprob / totals.reads();
        }
        gradients.add(List.of(TokenGradients.ofLogprobs(gradient)));
      }
      return new LossGradient(loss, gradients, Map.of());
    }
  }

  public static void main(String[] arguments) throws IOException {
    ModelConfig config =
        ModelConfig.llama(
            8192,
            512,
            1408,
            8,
            8,
            4,
            64,
            1e-5,
            10000,
            512,
            true,
            List.of(1),
            OptionalInt.empty(),
            OptionalInt.empty());
    Path model = TinyModel.write(Path.of(arguments[0]), config);
    Random random = new Random(1);
    List<One> examples = new ArrayList<>();
    for (int i = 0; i < ROWS; i++) {
      int[] tokens = random.ints(WIDTH, 0, config.vocabSize()).toArray();
      examples.add(new One(Sequence.ofTargets(new TokenIds(tokens), WIDTH / 2)));
    }
    List<Sequence> sequences = examples.stream().map(One::sequence).toList();
    int reads = sequences.stream().mapToInt(sequence -> sequence.reads().size()).sum();
    try (Lanes lanes = new Lanes(Runtime.getRuntime().availableProcessors());
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine attention = open(engines, model, new Tuning.Lora(8, 16, ATTENTION));
        RoleEngine all = open(engines, model, new Tuning.Lora(8, 16, TinyModel.ALL));
        RoleEngine full = open(engines, model, new Tuning.Full())) {
      double[] times = new double[5];
      Arrays.fill(times, Double.POSITIVE_INFINITY);
      for (int round = 0; round < ROUNDS; round++) {
        times[0] = Math.min(times[0], 1 / rate(lanes));
        best(times, 1, () -> attention.update(new Likelihood(), examples));
        best(times, 2, () -> all.update(new Likelihood(), examples));
        best(times, 3, () -> full.update(new Likelihood(), examples));
        best(times, 4, () -> attention.evaluate(sequences, Set.of(Output.LOGPROBS)));
      }
      double forward = forwardOperations(config, reads);
      System.out.printf(
          Locale.ROOT,
          "%d lanes, %.1f GFLOP/s, resident %d MB%n",
          lanes.count(),
          1 / times[0] / 1e9,
          resident());
      print("LoRA on attention", times[1], 2 * forward * times[0]);
      print("LoRA everywhere", times[2], 2 * forward * times[0]);
      print("full", times[3], 3 * forward * times[0]);
      print("scoring", times[4], forward * times[0]);
    }
  }

  private static RoleEngine open(HybridEngines engines, Path model, Tuning tuning) {
    return engines.open(TinyModel.role(model, tuning, Head.LANGUAGE_MODEL));
  }

  private static void best(double[] times, int index, Runnable work) {
    long start = System.nanoTime();
    work.run();
    times[index] = Math.min(times[index], (System.nanoTime() - start) / 1e9);
  }

  private static void print(String name, double seconds, double floor) {
    System.out.printf(
        Locale.ROOT,
        "%s: %.0f ms, %.2f of the floor of %.0f ms%n",
        name,
        seconds * 1e3,
        seconds / floor,
        floor * 1e3);
  }

  /** Floating-point operations per second of matrix products on all lanes. */
  private static double rate(Lanes lanes) {
    String text = "def mm(self, a, b, c) -> int:\n  torch.mm(a, b, out=c)\n  return 1\n";
    try (KernelModule kernels = KernelModule.compile("mm.py", text, Map.of())) {
      int m = 2048;
      int k = 512;
      int n = 2816;
      int each = 6;
      List<Handle[]> operands =
          lanes.map(
              lanes.count(),
              lane ->
                  new Handle[] {
                    Handle.of(normal(m * k), m, k),
                    Handle.of(normal(k * n), k, n),
                    Handle.of(new float[m * n], m, n)
                  });
      double best = 0;
      for (int i = 0; i < 4; i++) {
        long start = System.nanoTime();
        lanes.map(
            lanes.count() * each,
            item -> {
              kernels.train("mm", operands.get(item % lanes.count())).close();
              return 0;
            });
        best = Math.max(best, 2.0 * m * k * n * lanes.count() * each / (System.nanoTime() - start));
      }
      operands.forEach(three -> Arrays.stream(three).forEach(Handle::close));
      return best * 1e9;
    }
  }

  private static float[] normal(int count) {
    Random random = new Random(count);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** As a step without shortcuts would need: every layer at every position. */
  private static double forwardOperations(ModelConfig config, int reads) {
    double d = config.hiddenSize();
    double qkv = (config.heads() + 2.0 * config.kvHeads()) * config.headDim();
    double perToken =
        2 * d * (qkv + config.heads() * config.headDim() + 3.0 * config.intermediateSize())
            + 2.0 * WIDTH * config.heads() * config.headDim();
    return config.layers() * perToken * ROWS * WIDTH + 2 * d * config.vocabSize() * reads;
  }

  private static long resident() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmHWM:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
        .findFirst()
        .orElseThrow();
  }
}
