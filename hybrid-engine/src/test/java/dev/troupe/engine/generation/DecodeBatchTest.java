package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class DecodeBatchTest {
  private static final SamplingSettings SETTINGS =
      new SamplingSettings(30, 1, 20, 0.9, List.of("c", "a"), 7);

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 40})
  void run_moreReplies_thanRows_equalsOneAtATime(int rows) {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      Random random = new Random(3);
      List<Prompt> prompts = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        prompts.add(new Prompt("p" + i, "", tokens(random, 1 + random.nextInt(40))));
      }
      List<Reply> replies = replies(generator, prompts);
      model.lanes.run(
          () -> {
            try (DecodeBatch batch = generator.batch(SETTINGS, replies, rows)) {
              batch.run();
              assertThat(batch.prefilled()).isEqualTo(40);
              if (rows == 2 || rows == 5) {
                assertThat(batch.shifts()).isPositive();
              }
            }
            return rows;
          });
      for (int i = 0; i < prompts.size(); i++) {
        Rollout alone = generator.generate(1, List.of(prompts.get(i)), SETTINGS).get(0);
        compare(replies.get(i).rollout(1), alone);
      }
    }
  }

  @Test
  void run_equalPrompts_goThroughThePrefillOnce() {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      Random random = new Random(4);
      List<Prompt> prompts = new ArrayList<>();
      for (int i = 0; i < 3; i++) {
        TokenIds tokens = tokens(random, 5 + 4 * i);
        for (int sample = 0; sample < 4; sample++) {
          prompts.add(new Prompt("p" + i + "/" + sample, "", tokens));
        }
      }
      List<Reply> replies = replies(generator, prompts);
      model.lanes.run(
          () -> {
            try (DecodeBatch batch = generator.batch(SETTINGS, replies, 12)) {
              batch.run();
              assertThat(batch.prefilled()).isEqualTo(3);
            }
            return 0;
          });
      assertThat(replies.stream().map(reply -> reply.rollout(1).response()).distinct())
          .hasSizeGreaterThan(6);
      for (int i = 0; i < prompts.size(); i++) {
        compare(
            replies.get(i).rollout(1),
            generator.generate(1, List.of(prompts.get(i)), SETTINGS).get(0));
      }
    }
  }

  /**
   * All rows end together and fewer short prompts wait than there are rows: what is free then must
   * not begin behind the slot, which has gone back.
   */
  @ParameterizedTest
  @EnumSource(
      value = Numerics.Kernels.class,
      names = {"AUTO", "TORCH"})
  void run_fewerShortPromptsAfterLongOnes_equalsOneAtATime(Numerics.Kernels kernels) {
    SamplingSettings settings = new SamplingSettings(10, 1, 0, 1, List.of(), 7);
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA, 200);
        Generator generator =
            new Generator(
                model.base,
                model.tokenizer,
                model.layout,
                model.lanes,
                Generator.Options.defaults().by(kernels))) {
      generator.flip(model.parameters, 1);
      for (int seed = 0; seed < 3; seed++) {
        Random random = new Random(seed);
        int rows = 5 + random.nextInt(20);
        int after = rows - 1 - random.nextInt((rows - 1) / 4);
        List<Prompt> prompts = new ArrayList<>();
        for (int i = 0; i < rows + after; i++) {
          int longest = i >= rows ? 20 : i == 0 ? 100 : 40;
          prompts.add(new Prompt("p" + i, "", tokens(random, longest - random.nextInt(10))));
        }
        List<Reply> replies = replies(generator, prompts, settings);
        model.lanes.run(
            () -> {
              try (DecodeBatch batch = generator.batch(settings, replies, rows)) {
                batch.run();
              }
              return rows;
            });
        for (int i : new int[] {0, rows - 1, rows, rows + after - 1}) {
          compare(
              replies.get(i).rollout(1),
              generator.generate(1, List.of(prompts.get(i)), settings).get(0));
        }
      }
    }
  }

  /** Of 240 answers a lane has 40 to the long prompt and 80 to a shorter one, and 64 rows. */
  @Test
  void generate_groupsOfPromptsOfThreeLengths_equalOneAtATime() {
    SamplingSettings settings = new SamplingSettings(4, 1, 0, 1, List.of(), 7);
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA, 200);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      Random random = new Random(8);
      List<Prompt> prompts = new ArrayList<>();
      for (int size : new int[] {20, 40, 100}) {
        prompts.add(new Prompt("p" + size, "", tokens(random, size)));
      }
      List<Rollout> together = generator.generate(1, prompts, 80, settings);
      assertThat(together).hasSize(240);
      for (int i = 0; i < 3; i++) {
        List<Rollout> alone = generator.generate(1, List.of(prompts.get(i)), 80, settings);
        for (int answer : new int[] {0, 39, 40, 79}) {
          compare(together.get(80 * i + answer), alone.get(answer));
        }
      }
    }
  }

  /** Attention goes through the slots 512 at a time: the first are all masked for the short one. */
  @Test
  void run_longPromptBesideShort_equalsOneAtATime() {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA, 1400);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      Random random = new Random(5);
      List<Prompt> prompts =
          List.of(
              new Prompt("short", "", tokens(random, 2)),
              new Prompt("long", "", tokens(random, 1300)));
      List<Reply> replies = replies(generator, prompts);
      model.lanes.run(
          () -> {
            try (DecodeBatch batch = generator.batch(SETTINGS, replies, 2)) {
              batch.run();
            }
            return 0;
          });
      for (int i = 0; i < prompts.size(); i++) {
        compare(
            replies.get(i).rollout(1),
            generator.generate(1, List.of(prompts.get(i)), SETTINGS).get(0));
      }
    }
  }

  @Test
  void shares_areEqual_withEqualPromptsTogether() {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      List<Prompt> prompts = new ArrayList<>();
      for (int i = 0; i < 30; i++) {
        int[] tokens = new int[1 + i % 3];
        Arrays.fill(tokens, 5);
        prompts.add(new Prompt("p" + i, "", new TokenIds(tokens)));
      }
      List<Reply> replies = replies(generator, prompts);
      List<List<Reply>> two = Generator.shares(replies, 2);
      assertThat(two).extracting(List::size).containsExactly(15, 15);
      assertThat(two.stream().flatMap(List::stream)).containsExactlyInAnyOrderElementsOf(replies);
      // Prompts of one, two and three tokens: of the lengths, one is cut.
      assertThat(lengths(two.get(0))).isEqualTo(List.of(1, 3));
      assertThat(lengths(two.get(1))).isEqualTo(List.of(2, 3));
      assertThat(Generator.shares(replies, 64)).hasSize(30).allMatch(share -> share.size() == 1);
      assertThat(Generator.shares(replies, 4)).extracting(List::size).containsExactly(7, 8, 7, 8);
    }
  }

  private static List<Integer> lengths(List<Reply> share) {
    return share.stream().map(reply -> reply.prompt().tokens().size()).distinct().sorted().toList();
  }

  private static List<Reply> replies(Generator generator, List<Prompt> prompts) {
    return replies(generator, prompts, SETTINGS);
  }

  private static List<Reply> replies(
      Generator generator, List<Prompt> prompts, SamplingSettings settings) {
    return prompts.stream()
        .map(prompt -> generator.reply(prompt, 0, settings, piece -> {}, false))
        .toList();
  }

  private static TokenIds tokens(Random random, int count) {
    return new TokenIds(random.ints(count, 2, 60).toArray());
  }

  private static void compare(Rollout found, Rollout alone) {
    assertThat(found.response()).as(found.prompt().id()).isEqualTo(alone.response());
    for (int i = 0; i < alone.logprobs().size(); i++) {
      assertThat(found.logprobs().get(i)).isCloseTo(alone.logprobs().get(i), within(1e-5f));
    }
  }
}
