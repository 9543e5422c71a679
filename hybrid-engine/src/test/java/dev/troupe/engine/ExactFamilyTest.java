package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.engine.generation.GenerationException;
import dev.troupe.engine.generation.Generator;
import dev.troupe.models.decoder.BaseModel;
import dev.troupe.models.decoder.ParameterLayout;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import dev.troupe.models.tokenizer.Tokenizer;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What is sampled one token after the other, in batches of texts that begin and end where they may,
 * comes out again bit for bit where the whole texts are read at once, padded, packed or alone: of
 * every golden family.
 */
final class ExactFamilyTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("troupe.root"), "models/src/test/resources/golden/families");

  /** Whose positions turn otherwise in long texts. */
  private static final String TURNS = "rope_scaling turns all positions otherwise in texts of more";

  @TempDir private Path directory;

  static List<String> families() throws IOException {
    try (Stream<Path> found = Files.list(GOLDEN)) {
      return found.map(path -> path.getFileName().toString()).sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void logprobs_ofWhatWasSampled_areTheSameBits(String family) {
    assumeTrue(NativeLibrary.state() instanceof NativeLibrary.Loaded);
    BpeTrainer.train(List.of("the cat sat"), 260, List.of("<s>"))
        .write(
            directory,
            new BpeVocabulary.Setup(
                Optional.empty(), "<s>", Optional.empty(), Optional.empty(), 128));
    try (BaseModel base = BaseModel.load(GOLDEN.resolve(family));
        Tokenizer tokenizer = Tokenizer.load(directory);
        Lanes lanes = new Lanes(2)) {
      for (Storage format : List.of(Storage.FP32, Storage.BF16)) {
        if (base.config().steadyContext() < base.config().maxPositionEmbeddings()) {
          assertThatThrownBy(() -> check(base, tokenizer, lanes, format))
              .isInstanceOf(GenerationException.class)
              .hasMessageContaining(TURNS);
        } else {
          check(base, tokenizer, lanes, format);
        }
      }
    }
  }

  private static void check(BaseModel base, Tokenizer tokenizer, Lanes lanes, Storage format) {
    ParameterLayout layout = ParameterLayout.bare(base.config(), false);
    Generator.Options options =
        new Generator.Options(format, 64L << 20, true).by(Numerics.Kernels.NATIVE).exactly(true);
    try (Handle flat = Handle.of(new float[0], 0);
        Generator generator = new Generator(base, tokenizer, layout, lanes, options)) {
      generator.flip(flat, 1);
      for (int seed = 1; seed <= 2; seed++) {
        Random random = new Random(seed);
        double temperature = seed == 1 ? 1 : 0.7;
        SamplingSettings settings =
            new SamplingSettings(10, temperature, seed == 1 ? 0 : 9, 1, List.of(), seed);
        List<Prompt> prompts = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
          int length = 1 + random.nextInt(Math.min(20, base.config().maxPositionEmbeddings() - 10));
          int[] tokens = random.ints(length, 3, base.config().vocabSize()).toArray();
          prompts.add(new Prompt("p" + i, "", new TokenIds(tokens)));
        }
        List<Rollout> rollouts = generator.generate(1, prompts, 2, settings);
        List<Sequence> texts = rollouts.stream().map(Rollout::sequence).toList();
        int[] lengths = texts.stream().mapToInt(text -> text.tokens().size()).toArray();
        float[] sampled = joined(rollouts);
        for (List<Section> sections : List.of(Section.one(lengths), Section.several(lengths))) {
          assertThat(scored(generator, lanes, texts, sections, temperature))
              .as("%s, seed %s, %s sections", format, seed, sections.size())
              .isEqualTo(sampled);
        }
        int alone = random.nextInt(texts.size());
        assertThat(
                scored(
                    generator,
                    lanes,
                    texts.subList(alone, alone + 1),
                    Section.one(new int[] {lengths[alone]}),
                    temperature))
            .isEqualTo(rollouts.get(alone).logprobs().values());
      }
    }
  }

  private static float[] scored(
      Generator generator,
      Lanes lanes,
      List<Sequence> texts,
      List<Section> sections,
      double temperature) {
    return lanes.run(
        () -> {
          try (TokenBatch batch = TokenBatch.of(texts, sections, new int[0])) {
            return generator.logprobs(1, batch.ids(), batch.reads(), batch.targets(), temperature);
          }
        });
  }

  private static float[] joined(List<Rollout> rollouts) {
    float[] all = new float[rollouts.stream().mapToInt(one -> one.logprobs().size()).sum()];
    int at = 0;
    for (Rollout rollout : rollouts) {
      float[] own = rollout.logprobs().values();
      System.arraycopy(own, 0, all, at, own.length);
      at += own.length;
    }
    return all;
  }
}
