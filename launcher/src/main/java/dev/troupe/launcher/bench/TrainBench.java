package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;

/**
 * Steps of SFT with LoRA (rank 8 on every linear layer), the loss on the second half of each text.
 *
 * @param batch texts per step
 * @param tokens of each text
 * @param precision of the matrices
 * @param recompute whether the backward pass computes activations again
 */
public record TrainBench(int batch, int tokens, Numerics.Precision precision, boolean recompute) {
  /** In float32, activations kept. */
  public TrainBench(int batch, int tokens) {
    this(batch, tokens, Numerics.Precision.FP32, false);
  }

  /**
   * Tokens per second of training and of scoring; there is no padding. Rounds after one to warm up.
   */
  public List<Measurement> run(Path model, Lanes lanes, int rounds) {
    return run(model, lanes, rounds, 0);
  }

  private List<Measurement> run(Path model, Lanes lanes, int rounds, int microBatchTokens) {
    List<SftExample> examples = examples(ModelConfig.read(model).vocabSize());
    List<Sequence> sequences = examples.stream().map(SftExample::sequence).toList();
    SftObjective objective = new SftObjective(Averaging.GLOBAL_TOKEN);
    List<Double> steps = new ArrayList<>();
    List<Double> scores = new ArrayList<>();
    try (HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine =
            engines.open(role(model, microBatchTokens, recompute).with(numerics()))) {
      for (int i = 0; i <= rounds; i++) {
        long start = System.nanoTime();
        engine.update(objective, examples);
        long trained = System.nanoTime();
        engine.evaluate(sequences, Set.of(Output.LOGPROBS));
        if (i > 0) {
          steps.add(batch * tokens * 1e9 / (trained - start));
          scores.add(batch * tokens * 1e9 / (System.nanoTime() - trained));
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
    double step = arithmetic.frozenStep(batch, tokens, reads());
    double forward = arithmetic.forward(batch, tokens, reads());
    return List.of(
        train.share("arithmetic", train.median() * step * perToken),
        score.share("arithmetic", score.median() * forward * perToken));
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
    List<SftExample> examples = texts.examples(ModelConfig.read(model).vocabSize());
    try (HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(role(model, 0, false))) {
      long start = System.nanoTime();
      for (int length = promptTokens; length < promptTokens + newTokens; length++) {
        int now = length;
        List<Sequence> prefixes =
            examples.stream()
                .map(example -> Arrays.copyOf(example.sequence().tokens().values(), now + 1))
                .map(ids -> Sequence.ofTargets(new TokenIds(ids), now))
                .toList();
        engine.evaluate(prefixes, Set.of(Output.LOGPROBS));
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

  private Numerics numerics() {
    return new Numerics(precision, Numerics.RolloutWeights.FP32);
  }

  private static RoleSpec role(Path model, int microBatchTokens, boolean recompute) {
    OptimizerSettings adam =
        new OptimizerSettings(
            new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 1e-4, 0, 1000),
            0.9,
            0.999,
            1e-8,
            0,
            1,
            microBatchTokens,
            recompute);
    return new RoleSpec(
        "policy",
        model.toString(),
        Optional.empty(),
        new Tuning.Lora(8, 16, List.of(Tuning.Lora.ALL_LINEAR)),
        Head.LANGUAGE_MODEL,
        Optional.of(adam),
        1,
        Optional.empty(),
        1);
  }

  private List<SftExample> examples(int vocabulary) {
    Random random = new Random(2);
    List<SftExample> examples = new ArrayList<>();
    for (int i = 0; i < batch; i++) {
      TokenIds text = new TokenIds(random.ints(tokens, 10, vocabulary).toArray());
      examples.add(new SftExample(Sequence.ofTargets(text, tokens / 2)));
    }
    return examples;
  }
}
