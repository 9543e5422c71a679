package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Steps of SFT with LoRA (rank 8 on every linear layer), the loss on the second half of each text.
 *
 * @param batch texts per step
 * @param tokens of each text
 * @param precision of the matrices
 * @param recompute whether the backward pass computes activations again
 */
public record TrainBench(int batch, int tokens, Storage precision, boolean recompute) {
  /** In float32, activations kept. */
  public TrainBench(int batch, int tokens) {
    this(batch, tokens, Storage.FP32, false);
  }

  /**
   * Tokens per second of training and of scoring; there is no padding. Rounds after one to warm up.
   */
  public List<Measurement> run(Path model, Lanes lanes, int rounds) {
    return run(model, lanes, rounds, TrainSteps.USUAL);
  }

  /**
   * How many times as fast the same is by the library's operators as by torch's, round by round in
   * turn after one to warm up: by the clock, and by processor time.
   */
  public List<Measurement> nativeOverTorch(Path model, Lanes lanes, int rounds) {
    try (HybridEngines engines = new HybridEngines(lanes);
        TrainSteps own = steps(engines, model, Numerics.Kernels.NATIVE);
        TrainSteps torch = steps(engines, model, Numerics.Kernels.TORCH)) {
      Turns.Ratios step = Turns.ratios(rounds, Turns.once(torch::step), Turns.once(own::step));
      Turns.Ratios score = Turns.ratios(rounds, Turns.once(torch::score), Turns.once(own::score));
      Map<String, Object> setting = setting(model);
      return List.of(
          Measurement.of(
              "train, native over torch, processor time", setting, "times", step.processor()),
          Measurement.of("train, native over torch", setting, "times", step.wall()),
          Measurement.of(
              "score, native over torch, processor time", setting, "times", score.processor()),
          Measurement.of("score, native over torch", setting, "times", score.wall()));
    }
  }

  /**
   * How many times as long a step takes on a base that is held in blocks as on one in the numbers
   * of products, round by round in turn after one to warm up: by the clock, and by processor time;
   * and what share of that base's memory it takes.
   */
  public List<Measurement> heldOverPlain(Path model, Quantisation held, Lanes lanes, int rounds) {
    Numerics plain = new Numerics(precision, Storage.FP32);
    try (HybridEngines engines = new HybridEngines(lanes);
        TrainSteps own = steps(engines, model, plain);
        TrainSteps other = steps(engines, model, plain.on(held))) {
      Turns.Ratios step = Turns.ratios(rounds, Turns.once(other::step), Turns.once(own::step));
      Map<String, Object> setting = setting(model);
      setting.put("base", held.describe());
      return List.of(
          Measurement.of(
              "train, base in blocks over plain, processor time",
              setting,
              "times",
              step.processor()),
          Measurement.of("train, base in blocks over plain", setting, "times", step.wall()),
          Measurement.of(
              "base in blocks over plain, memory",
              setting,
              "times",
              List.of(other.baseBytes() / (double) own.baseBytes())));
    }
  }

  private TrainSteps steps(HybridEngines engines, Path model, Numerics numerics) {
    return new TrainSteps(engines, model, this, TrainSteps.EVERYWHERE, TrainSteps.USUAL, numerics);
  }

  private TrainSteps steps(HybridEngines engines, Path model, Numerics.Kernels kernels) {
    return new TrainSteps(engines, model, this, TrainSteps.EVERYWHERE, TrainSteps.USUAL, kernels);
  }

  private List<Measurement> run(Path model, Lanes lanes, int rounds, int microBatchTokens) {
    List<Double> steps = new ArrayList<>();
    List<Double> scores = new ArrayList<>();
    try (HybridEngines engines = new HybridEngines(lanes);
        TrainSteps work =
            new TrainSteps(engines, model, this, TrainSteps.EVERYWHERE, microBatchTokens)) {
      for (int i = 0; i <= rounds; i++) {
        double trained = Turns.seconds(work::step);
        double scored = Turns.seconds(work::score);
        if (i > 0) {
          steps.add(batch * tokens / trained);
          scores.add(batch * tokens / scored);
        }
      }
    }
    return List.of(
        Measurement.of("train", setting(model), "tokens/s", steps),
        Measurement.of("score", setting(model), "tokens/s", scores));
  }

  /** As {@link #run}, against the arithmetic that cannot be left out. */
  public List<Measurement> run(Path model, Lanes lanes, Limits limits, int rounds) {
    List<Measurement> measured = run(model, lanes, rounds);
    Measurement train = measured.get(0);
    Measurement score = measured.get(1);
    Arithmetic arithmetic = new Arithmetic(ModelConfig.read(model));
    double perToken = 1.0 / batch / tokens / (limits.gemm().median() * 1e9);
    double step = stepOperations(model);
    double forward = arithmetic.forward(batch, tokens, reads());
    return List.of(
        train.share("arithmetic", train.median() * step * perToken),
        score.share("arithmetic", score.median() * forward * perToken));
  }

  /** Floating-point operations of a step, at least. */
  double stepOperations(Path model) {
    return new Arithmetic(ModelConfig.read(model)).frozenStep(batch, tokens, reads());
  }

  /** The plain way: one text after the other, on one core. */
  public Measurement plain(Path model, int rounds) {
    try (Lanes one = new Lanes(1)) {
      return run(model, one, rounds, tokens).get(0);
    }
  }

  /**
   * The plain way to generate: every token by a whole pass over all that is before it, the adapter
   * unmerged. Tokens per second, as {@link GenerateBench} counts them.
   */
  public static Measurement uncached(
      Path model, Lanes lanes, int batch, int promptTokens, int newTokens) {
    TrainBench texts = new TrainBench(batch, promptTokens + newTokens);
    try (HybridEngines engines = new HybridEngines(lanes);
        TrainSteps work =
            new TrainSteps(engines, model, texts, TrainSteps.EVERYWHERE, TrainSteps.USUAL)) {
      long start = System.nanoTime();
      for (int length = promptTokens; length < promptTokens + newTokens; length++) {
        int now = length;
        work.score(
            work.sequences().stream()
                .map(sequence -> Arrays.copyOf(sequence.tokens().values(), now + 1))
                .map(ids -> Sequence.ofTargets(new TokenIds(ids), now))
                .toList());
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      return Measurement.of(
          "generate, uncached",
          texts.setting(model),
          "tokens/s",
          List.of(batch * newTokens / seconds));
    }
  }

  private long reads() {
    return (long) batch * (tokens - tokens / 2);
  }

  private Map<String, Object> setting(Path model) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("model", model.getFileName().toString());
    setting.put("batch", batch);
    setting.put("tokens", tokens);
    setting.put("lora", 8);
    setting.put("precision", precision.name());
    setting.put("recompute", recompute);
    return setting;
  }
}
