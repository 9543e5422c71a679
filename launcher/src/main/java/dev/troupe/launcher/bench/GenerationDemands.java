package dev.troupe.launcher.bench;

import dev.troupe.engine.generation.FlipReport;
import dev.troupe.launcher.bench.GenerationKernels.Products;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.Storage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;

/** What is demanded of generation: prompts of 64 tokens, 128 new ones each. */
record GenerationDemands(Path model, Lanes lanes, int rounds) {
  private static final int BATCH = 16;
  private static final int PROMPT_TOKENS = 64;
  private static final int NEW_TOKENS = 128;
  private static final int VOCABULARY = 8192;
  private static final int PICKS = 200;
  private static final Set<AdaptedLinear> ATTENTION =
      EnumSet.of(
          AdaptedLinear.Q_PROJ, AdaptedLinear.K_PROJ, AdaptedLinear.V_PROJ, AdaptedLinear.O_PROJ);

  List<Measurement> measure() {
    List<Measurement> all = new ArrayList<>();
    all.add(ofFloor(Storage.FP32).demanded(Demand.atLeast(0.48)));
    all.add(ofFloor(Storage.FP16).demanded(Demand.atLeast(0.6)));
    all.add(ofFloor(Storage.INT8).demanded(Demand.atLeast(0.85)));
    all.addAll(kernels());
    all.addAll(flip(Storage.FP32, 30, OptionalDouble.of(1e-5)));
    all.addAll(flip(Storage.FP16, 150, OptionalDouble.of(3e-3)));
    all.addAll(flip(Storage.INT8, 110, OptionalDouble.empty()));
    return all;
  }

  private static GenerateBench sampled(Storage format) {
    return new GenerateBench(format, BATCH, 1, PROMPT_TOKENS, NEW_TOKENS, false);
  }

  /** The speed as a share of what arithmetic allows. */
  private Measurement ofFloor(Storage format) {
    GenerateBench bench = sampled(format);
    List<Double> shares = new ArrayList<>();
    try (OpenGenerator opened = new OpenGenerator(model, format, lanes)) {
      opened.flip(0);
      List<Prompt> prompts = bench.prompts(opened.config());
      double operations = bench.operations(new Arithmetic(opened.config()));
      opened.generate(0, prompts, bench.settings(0));
      for (int i = 1; i <= rounds; i++) {
        int seed = i;
        double floor = operations / 1e9 / Limits.gemm(lanes, 1).median();
        List<Rollout> answers = new ArrayList<>();
        double seconds =
            Turns.seconds(() -> answers.addAll(opened.generate(0, prompts, bench.settings(seed))));
        // A row that ends early has left some of its work undone.
        double done = answers.stream().mapToInt(answer -> answer.response().size()).sum();
        shares.add(floor / seconds * done / (BATCH * NEW_TOKENS));
      }
    }
    return Measurement.of(
        "generation, its floor over its time",
        new TreeMap<>(Map.of("batch", BATCH, "weights", name(format))),
        "of the floor",
        shares);
  }

  /** The loop in one call, its products both ways; against it, the loop in Java. */
  private List<Measurement> kernels() {
    GenerateBench bench = sampled(Storage.FP32);
    try (OpenGenerator opened = new OpenGenerator(model, Storage.FP32, lanes);
        GenerationKernels packed = opened.kernels(Products.PACKED);
        GenerationKernels linear = opened.kernels(Products.LINEAR)) {
      opened.flip(0);
      List<Prompt> prompts = bench.prompts(opened.config());
      List<int[]> tokens = prompts.stream().map(prompt -> prompt.tokens().values()).toList();
      return List.of(
          packed(linear, packed, tokens).demanded(Demand.atLeast(1.35)),
          packed(linear, packed, tokens.subList(0, 1)).demanded(Demand.atLeast(2)),
          Measurement.of(
                  "generation, loop in Java over loop in one call",
                  Map.of("batch", BATCH),
                  "times",
                  Turns.ratios(
                      rounds,
                      () -> opened.generate(0, prompts, bench.settings(1)),
                      () -> packed.answers(tokens, NEW_TOKENS, 1)))
              .demanded(Demand.atMost(1.12)),
          Measurement.of(
                  "sampling, a step",
                  new TreeMap<>(Map.of("rows", BATCH, "vocabulary", VOCABULARY)),
                  "ms",
                  IntStream.range(0, rounds)
                      .mapToObj(i -> packed.pickMillis(BATCH, VOCABULARY, PICKS))
                      .toList())
              .demanded(Demand.atMost(0.3)));
    }
  }

  private Measurement packed(
      GenerationKernels linear, GenerationKernels packed, List<int[]> tokens) {
    return Measurement.of(
        "generation, packed fp32 against torch.linear",
        Map.of("batch", tokens.size()),
        "times",
        Turns.ratios(
            rounds,
            () -> linear.answers(tokens, NEW_TOKENS, 1),
            () -> packed.answers(tokens, NEW_TOKENS, 1)));
  }

  /**
   * With LoRA on attention; and how far a log-probability is from the training path's at most,
   * where something is demanded of that.
   */
  private List<Measurement> flip(Storage format, double most, OptionalDouble furthest) {
    List<Double> millis = new ArrayList<>();
    List<Double> differences = new ArrayList<>();
    try (OpenGenerator opened = new OpenGenerator(model, format, lanes, ATTENTION)) {
      for (int i = 0; i <= rounds; i++) {
        FlipReport report = opened.flip(i);
        opened.release();
        if (i > 0) {
          millis.add(report.shadowMillis());
          differences.add(report.probeDifference());
        }
      }
    }
    Map<String, Object> setting = Map.of("weights", name(format));
    List<Measurement> all = new ArrayList<>();
    all.add(
        Measurement.of("flip, merge and pack", setting, "ms", millis)
            .demanded(Demand.atMost(most)));
    furthest.ifPresent(
        bound ->
            all.add(
                Measurement.of(
                        "flip, largest difference of a log-probability",
                        setting,
                        "nats",
                        differences)
                    .demanded(Demand.atMost(bound))));
    return all;
  }

  private static String name(Storage format) {
    return format.name().toLowerCase(Locale.ROOT);
  }
}
