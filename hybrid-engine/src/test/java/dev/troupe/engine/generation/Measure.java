package dev.troupe.engine.generation;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.peft.AdaptedLinear;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * Prints tokens per second and flip times of random models; arguments: a directory with a
 * tokenizer.
 */
final class Measure {
  private Measure() {}

  public static void main(String[] arguments) {
    Tokenizer tokenizer = Tokenizer.load(Path.of(arguments[0]));
    int vocabulary = Math.max(512, tokenizer.vocabSize());
    ModelConfig quickstart = TinyModel.config(vocabulary, 128, 352, 4, 4, 2, 32, 256, true);
    ModelConfig brief = TinyModel.config(8192, 512, 1408, 8, 8, 4, 64, 512, true);
    measure("quickstart", quickstart, tokenizer, 64, 24, 32);
    measure("quickstart", quickstart, tokenizer, 16, 24, 32);
    measure("brief", brief, tokenizer, 16, 64, 128);
    measure("brief", brief, tokenizer, 1, 64, 128);
  }

  private static void measure(
      String name,
      ModelConfig config,
      Tokenizer tokenizer,
      int batch,
      int promptTokens,
      int newTokens) {
    ParameterLayout layout =
        ParameterLayout.lora(config, 8, 16, EnumSet.allOf(AdaptedLinear.class), false);
    Random random = new Random(1);
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < batch; i++) {
      int[] tokens = random.ints(promptTokens, 10, config.vocabSize()).toArray();
      prompts.add(new Prompt("p" + i, "", new TokenIds(tokens)));
    }
    SamplingSettings settings = new SamplingSettings(newTokens, 1, 0, 1, List.of(), 1);
    for (Storage format : Storage.ofRollouts()) {
      try (BaseModel base = BaseModel.random(config, 3);
          Lanes lanes = new Lanes(Runtime.getRuntime().availableProcessors());
          Handle parameters = Handle.of(layout.initial(2), layout.size());
          Generator generator =
              new Generator(
                  base, tokenizer, layout, lanes, new Generator.Options(format, 1L << 30, true))) {
        double best = 0;
        FlipReport flip = null;
        for (int round = 0; round < 5; round++) {
          flip = generator.flip(parameters, round);
          long start = System.nanoTime();
          long tokens =
              generator.generate(round, prompts, settings).stream()
                  .mapToLong(rollout -> rollout.response().size())
                  .sum();
          best = Math.max(best, tokens * 1e9 / (System.nanoTime() - start));
          generator.release();
        }
        System.out.printf(
            Locale.ROOT, "%s, %s, batch %d: %.0f tokens/s; %s%n", name, format, batch, best, flip);
      }
    }
  }
}
