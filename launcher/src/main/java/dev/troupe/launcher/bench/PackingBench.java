package dev.troupe.launcher.bench;

import dev.troupe.engine.HybridEngines;
import dev.troupe.engine.RoleEngine;
import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.SftExample;
import dev.troupe.rlhf.loss.SftObjective;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Steps of SFT with LoRA whose texts are padded, against the same steps whose texts are packed. The
 * lengths are drawn from a lognormal distribution, for every round anew; the loss is on the second
 * half of each text.
 *
 * @param batch texts per step
 * @param median tokens of a text
 * @param deviation standard deviation of the logarithm of the length
 * @param longest tokens of a text
 */
public record PackingBench(int batch, int median, double deviation, int longest) {
  /** Round by round in turn after one to warm up; the tokens that are counted are no padding. */
  public List<Measurement> run(Path model, Lanes lanes, int rounds) {
    RoleSpec padded =
        TrainSteps.role(
            model, new TrainBench(batch, longest), TrainSteps.EVERYWHERE, TrainSteps.USUAL);
    OptimizerSettings settings = padded.optimizer().orElseThrow();
    List<Double> speeds = new ArrayList<>();
    List<Double> processor = new ArrayList<>();
    List<Double> wall = new ArrayList<>();
    Random random = new Random(3);
    int vocabulary = ModelConfig.read(model).vocabSize();
    SftObjective objective = new SftObjective(Averaging.GLOBAL_TOKEN);
    try (HybridEngines engines = new HybridEngines(lanes);
        RoleEngine one = engines.open(padded);
        RoleEngine other = engines.open(padded.with(settings.packing(true)))) {
      for (int round = 0; round <= rounds; round++) {
        List<SftExample> examples = examples(random, vocabulary);
        Taken unpacked = Taken.by(() -> one.update(objective, examples));
        Taken packed = Taken.by(() -> other.update(objective, examples));
        if (round > 0) {
          speeds.add(
              examples.stream().mapToInt(example -> example.sequence().tokens().size()).sum()
                  / packed.wall());
          processor.add(unpacked.processor() / packed.processor());
          wall.add(unpacked.wall() / packed.wall());
        }
      }
    }
    Map<String, Object> setting = setting(model);
    return List.of(
        Measurement.of("packed steps", setting, "tokens/s", speeds),
        Measurement.of("padded over packed, processor time", setting, "times", processor),
        Measurement.of("padded over packed, time", setting, "times", wall));
  }

  private List<SftExample> examples(Random random, int vocabulary) {
    List<SftExample> examples = new ArrayList<>();
    for (int i = 0; i < batch; i++) {
      double drawn = median * Math.exp(deviation * random.nextGaussian());
      int tokens = Math.max(2, Math.min(longest, (int) Math.round(drawn)));
      TokenIds text = new TokenIds(random.ints(tokens, 10, vocabulary).toArray());
      examples.add(new SftExample(Sequence.ofTargets(text, tokens / 2)));
    }
    return examples;
  }

  private Map<String, Object> setting(Path model) {
    Map<String, Object> setting = new LinkedHashMap<>();
    setting.put("model", model.getFileName().toString());
    setting.put("batch", batch);
    setting.put("median", median);
    setting.put("deviation", deviation);
    setting.put("longest", longest);
    setting.put("lora", 8);
    return setting;
  }
}
