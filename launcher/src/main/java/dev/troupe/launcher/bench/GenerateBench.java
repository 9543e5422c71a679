package dev.troupe.launcher.bench;

import dev.troupe.engine.generation.FlipReport;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Answers to random prompts: what a rollout costs.
 *
 * @param kernels whose operators
 * @param cache in what keys and values are held
 * @param batch responses at once
 * @param samples responses to each prompt, as for best-of-n and GRPO's groups
 * @param promptTokens of each
 * @param newTokens at most, per prompt; a random model seldom ends early, a trained one may
 * @param greedy or sampled at temperature 1 over the whole vocabulary
 */
public record GenerateBench(
    Storage format,
    Numerics.Kernels kernels,
    Numerics.Cache cache,
    int batch,
    int samples,
    int promptTokens,
    int newTokens,
    boolean greedy) {
  /** By the operators that are chosen where no one says. */
  public GenerateBench(
      Storage format, int batch, int samples, int promptTokens, int newTokens, boolean greedy) {
    this(
        format,
        Numerics.Kernels.AUTO,
        Numerics.Cache.AUTO,
        batch,
        samples,
        promptTokens,
        newTokens,
        greedy);
  }

  /** Tokens per second of prefill and decoding together; rounds after one to warm up. */
  public Measurement run(Path model, Lanes lanes, int rounds) {
    List<Double> rates = new ArrayList<>();
    try (OpenGenerator opened = open(model, lanes)) {
      opened.flip(0);
      for (int i = 0; i <= rounds; i++) {
        double rate = rate(opened, i);
        if (i > 0) {
          rates.add(rate);
        }
      }
    }
    return Measurement.of("generate", setting(model), "tokens/s", rates);
  }

  /**
   * How many times as fast the same is by the library's operators as by torch's, round by round in
   * turn after one to warm up: by the clock, and by processor time.
   */
  public static List<Measurement> nativeOverTorch(
      GenerateBench bench, Path model, Lanes lanes, int rounds) {
    return pairs(
        "native over torch",
        bench.with(Numerics.Kernels.NATIVE, Numerics.Cache.AUTO),
        bench.with(Numerics.Kernels.TORCH, Numerics.Cache.AUTO),
        model,
        lanes,
        rounds);
  }

  /** The same with keys and values in bf16 over fp32, both by the library's operators. */
  public static List<Measurement> halfOverFullCache(
      GenerateBench bench, Path model, Lanes lanes, int rounds) {
    return pairs(
        "keys and values in bf16 over fp32",
        bench.with(Numerics.Kernels.NATIVE, Numerics.Cache.BF16),
        bench.with(Numerics.Kernels.NATIVE, Numerics.Cache.FP32),
        model,
        lanes,
        rounds);
  }

  private static List<Measurement> pairs(
      String what, GenerateBench own, GenerateBench than, Path model, Lanes lanes, int rounds) {
    try (OpenGenerator one = own.open(model, lanes);
        OpenGenerator other = than.open(model, lanes)) {
      one.flip(0);
      other.flip(0);
      Turns.Ratios ratios =
          Turns.ratios(rounds, round -> than.tokens(other, round), round -> own.tokens(one, round));
      Map<String, Object> setting = own.setting(model);
      setting.remove("kernels");
      return List.of(
          Measurement.of(
              "generate, " + what + ", processor time", setting, "times", ratios.processor()),
          Measurement.of("generate, " + what, setting, "times", ratios.wall()));
    }
  }

  private GenerateBench with(Numerics.Kernels whose, Numerics.Cache numbers) {
    return new GenerateBench(
        format, whose, numbers, batch, samples, promptTokens, newTokens, greedy);
  }

  private OpenGenerator open(Path model, Lanes lanes) {
    return new OpenGenerator(model, format, kernels, cache, lanes);
  }

  private double rate(OpenGenerator opened, int seed) {
    long start = System.nanoTime();
    double tokens = tokens(opened, seed);
    return tokens / ((System.nanoTime() - start) / 1e9);
  }

  /** Answers once; tokens. */
  private double tokens(OpenGenerator opened, int seed) {
    List<Rollout> answers = opened.generate(0, prompts(opened.config()), settings(seed));
    return answers.stream().mapToLong(a -> a.response().size()).sum();
  }

  private Map<String, Object> setting(Path model) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("model", model.getFileName().toString());
    setting.put("weights", format.name().toLowerCase(Locale.ROOT));
    setting.put("kernels", kernels.name().toLowerCase(Locale.ROOT));
    setting.put("batch", batch);
    setting.put("samples", samples);
    setting.put("prompt", promptTokens);
    setting.put("new", newTokens);
    setting.put("choice", greedy ? "greedy" : "sampled");
    return setting;
  }

  /** As {@link #run}, against the floors of arithmetic and of reading every weight once a token. */
  public Measurement run(Path model, Lanes lanes, Limits limits, int rounds) {
    Measurement measured = run(model, lanes, rounds);
    Arithmetic arithmetic = new Arithmetic(ModelConfig.read(model));
    double flop = operations(arithmetic);
    double bytes = newTokens * arithmetic.weights() * bytesPerWeight(format);
    double tokens = (double) batch * newTokens;
    return measured
        .share("arithmetic", measured.median() * flop / tokens / 1e9 / limits.gemm().median())
        .share(
            "memory bandwidth",
            measured.median() * bytes / tokens / 1e9 / limits.bandwidth().median());
  }

  /** Floating-point operations of all answers, at least. */
  double operations(Arithmetic arithmetic) {
    return arithmetic.forward(batch / samples, promptTokens, batch / samples)
        + batch
            * IntStream.range(0, newTokens)
                .mapToDouble(i -> arithmetic.decode(promptTokens + i))
                .sum();
  }

  /** Prefill alone: one token is asked for. */
  public static Measurement prefill(
      Path model, Lanes lanes, Limits limits, int tokens, int rounds) {
    GenerateBench one = new GenerateBench(Storage.FP32, 1, 1, tokens, 1, true);
    List<Double> rates = new ArrayList<>();
    try (OpenGenerator opened = new OpenGenerator(model, Storage.FP32, lanes)) {
      opened.flip(0);
      for (int i = 0; i <= rounds; i++) {
        long start = System.nanoTime();
        opened.generate(0, one.prompts(opened.config()), one.settings(i));
        if (i > 0) {
          rates.add(tokens * 1e9 / (System.nanoTime() - start));
        }
      }
      Map<String, Object> setting = new LinkedHashMap<>();
      setting.put("model", model.getFileName().toString());
      setting.put("weights", "fp32");
      setting.put("tokens", tokens);
      Measurement measured = Measurement.of("prefill", setting, "tokens/s", rates);
      double flop = new Arithmetic(opened.config()).forward(1, tokens, 1);
      return measured.share(
          "arithmetic", measured.median() * flop / tokens / 1e9 / limits.gemm().median());
    }
  }

  /** The flip to this format with a LoRA adapter on every linear layer, which has just changed. */
  public static List<Measurement> flips(Path model, Storage format, Lanes lanes, int rounds) {
    List<Double> shadows = new ArrayList<>();
    List<Double> probes = new ArrayList<>();
    try (OpenGenerator opened = new OpenGenerator(model, format, lanes)) {
      for (int i = 0; i <= rounds; i++) {
        FlipReport report = opened.flip(i);
        opened.release();
        if (i > 0) {
          shadows.add(report.shadowMillis());
          probes.add(report.probeMillis());
        }
      }
    }
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("model", model.getFileName().toString());
    setting.put("weights", format.name().toLowerCase(Locale.ROOT));
    return List.of(
        Measurement.of("flip, merge and pack", setting, "ms", shadows),
        Measurement.of("flip, probe", setting, "ms", probes));
  }

  List<Prompt> prompts(ModelConfig config) {
    Random random = new Random(1);
    int vocabulary = config.vocabSize();
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < batch; i += samples) {
      TokenIds tokens = new TokenIds(random.ints(promptTokens, 10, vocabulary).toArray());
      for (int sample = i; sample < Math.min(batch, i + samples); sample++) {
        prompts.add(new Prompt("p" + sample, "", tokens));
      }
    }
    return prompts;
  }

  SamplingSettings settings(int seed) {
    return new SamplingSettings(newTokens, greedy ? 0 : 1, 0, 1, List.of(), seed);
  }

  private static double bytesPerWeight(Storage format) {
    return (double) format.bits() / Byte.SIZE;
  }
}
