package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
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
 */
public record TrainBench(int batch, int tokens) {
  /** Tokens per second, padding there is none; rounds after one to warm up. */
  public List<Measurement> run(Path model, Lanes lanes, Limits limits, int rounds) {
    List<SftExample> examples = examples(ModelConfig.read(model).vocabSize());
    List<Sequence> sequences = examples.stream().map(SftExample::sequence).toList();
    SftObjective objective = new SftObjective(Averaging.GLOBAL_TOKEN);
    List<Double> steps = new ArrayList<>();
    List<Double> scores = new ArrayList<>();
    try (HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(role(model))) {
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
    Arithmetic arithmetic = new Arithmetic(ModelConfig.read(model));
    double all = (double) batch * tokens;
    double step = arithmetic.frozenStep(batch, tokens, reads());
    double score = arithmetic.forward(batch, tokens, reads());
    Measurement train = Measurement.of("train", setting(model), "tokens/s", steps);
    Measurement evaluate = Measurement.of("score", setting(model), "tokens/s", scores);
    double gemm = limits.gemm().median() * 1e9;
    return List.of(
        train.share("arithmetic", train.median() * step / all / gemm),
        evaluate.share("arithmetic", evaluate.median() * score / all / gemm));
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
    return setting;
  }

  private static RoleSpec role(Path model) {
    OptimizerSettings adam =
        new OptimizerSettings(
            new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 1e-4, 0, 1000),
            0.9,
            0.999,
            1e-8,
            0,
            1,
            0);
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
