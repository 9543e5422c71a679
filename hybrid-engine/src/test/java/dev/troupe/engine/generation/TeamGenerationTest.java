package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.engine.generation.TinyModel.Tuned;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Numerics.Cache;
import dev.troupe.protocol.data.Numerics.Kernels;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is sampled beside a prompt, and by how many lanes, changes no bits of its answer. */
final class TeamGenerationTest {
  @TempDir private Path directory;

  @ParameterizedTest
  @EnumSource(
      value = Storage.class,
      names = {"FP32", "BF16", "INT8"})
  void generate_onAnyNumberOfLanes_isTheSameBitForBit(Storage format) {
    LibraryHere.assumeLoaded();
    try (TinyModel model = new TinyModel(directory, Tuned.LORA)) {
      for (long seed = 1; seed <= 2; seed++) {
        Random random = new Random(seed);
        List<Prompt> prompts = new ArrayList<>();
        for (int i = 0; i < 1 + random.nextInt(40); i++) {
          int length = 1 + random.nextInt(30);
          TokenIds tokens =
              new TokenIds(random.ints(length, 3, model.config.vocabSize()).toArray());
          prompts.add(new Prompt("p" + i, "", tokens));
        }
        SamplingSettings settings =
            new SamplingSettings(
                12, random.nextBoolean() ? 1 : 0.7, random.nextInt(2) * 9, 1, List.of(), seed);
        Cache cache = seed == 1 ? Cache.AUTO : Cache.BF16;
        List<Rollout> expected = answers(model, format, cache, 1, prompts, settings);
        for (int lanes : new int[] {2, 3}) {
          assertThat(answers(model, format, cache, lanes, prompts, settings))
              .as("seed %s, %s prompts on %s lanes", seed, prompts.size(), lanes)
              .isEqualTo(expected);
        }
        for (int i = 0; i < prompts.size(); i += 7) {
          assertThat(answers(model, format, cache, 1, List.of(prompts.get(i)), settings))
              .as("seed %s, prompt %s alone", seed, i)
              .containsExactly(expected.get(i));
        }
      }
    }
  }

  private static List<Rollout> answers(
      TinyModel model,
      Storage format,
      Cache cache,
      int count,
      List<Prompt> prompts,
      SamplingSettings settings) {
    try (Lanes lanes = new Lanes(count);
        Generator generator =
            new Generator(
                model.base,
                model.tokenizer,
                model.layout,
                lanes,
                new Generator.Options(format, 64L << 20, true).by(Kernels.NATIVE).caching(cache))) {
      generator.flip(model.parameters, 1);
      return generator.generate(1, prompts, settings);
    }
  }
}
