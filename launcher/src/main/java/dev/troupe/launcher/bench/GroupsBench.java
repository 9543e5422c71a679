package dev.troupe.launcher.bench;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * Groups of answers to one prompt each, whose prompt goes through the model once, against as many
 * prompts of the same length that each go through it.
 *
 * @param groups prompts
 * @param answers to each
 * @param promptTokens of each
 * @param newTokens per answer at most; a random model seldom ends early
 */
public record GroupsBench(
    Storage format, int groups, int answers, int promptTokens, int newTokens) {
  /** How many times as long the others take, round by round in turn after one to warm up. */
  public Measurement run(Path model, Lanes lanes, int rounds) {
    List<Double> ratios;
    try (OpenGenerator opened = new OpenGenerator(model, format, lanes)) {
      opened.flip(0);
      List<Prompt> shared = prompts(opened.config(), groups);
      List<Prompt> own = prompts(opened.config(), groups * answers);
      SamplingSettings settings = new SamplingSettings(newTokens, 1, 0, 1, List.of(), 1);
      ratios =
          Turns.ratios(
              rounds,
              () -> opened.generate(0, own, 1, settings),
              () -> opened.generate(0, shared, answers, settings));
    }
    Map<String, Object> setting = new TreeMap<>();
    setting.put("model", model.getFileName().toString());
    setting.put("weights", format.name().toLowerCase(Locale.ROOT));
    setting.put("groups", groups);
    setting.put("answers", answers);
    setting.put("prompt", promptTokens);
    setting.put("new", newTokens);
    return Measurement.of("groups, a prefill each over a shared one", setting, "times", ratios);
  }

  private List<Prompt> prompts(ModelConfig config, int count) {
    Random random = new Random(1);
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] tokens = random.ints(promptTokens, 10, config.vocabSize()).toArray();
      prompts.add(new Prompt("p" + i, "", new TokenIds(tokens)));
    }
    return prompts;
  }
}
