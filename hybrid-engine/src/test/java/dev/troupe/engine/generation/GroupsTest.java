package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several answers to one prompt. */
class GroupsTest {
  private static final int ANSWERS = 8;
  private static final SamplingSettings SAMPLED =
      new SamplingSettings(20, 1.2, 0, 1, List.of(), 42);

  @TempDir Path directory;

  private static List<Prompt> prompts() {
    Random random = new Random(6);
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      int[] tokens = random.ints(3 + 9 * i, 3, 200).toArray();
      prompts.add(new Prompt("p" + i, "", new TokenIds(tokens)));
    }
    return prompts;
  }

  private static List<Rollout> group(List<Rollout> all, int number) {
    return all.subList(number * ANSWERS, (number + 1) * ANSWERS);
  }

  private static List<TokenIds> responses(List<Rollout> rollouts) {
    return rollouts.stream().map(Rollout::response).toList();
  }

  /** Each answer as though it had a prefill and a batch of its own. */
  @Test
  void group_equalsItsAnswersOneByOne_withAPrefillEach() {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      List<Prompt> prompts = prompts();
      List<Rollout> groups = generator.generate(1, prompts, ANSWERS, SAMPLED);
      assertThat(groups).hasSize(prompts.size() * ANSWERS);
      for (int i = 0; i < groups.size(); i++) {
        Rollout found = groups.get(i);
        Prompt prompt = prompts.get(i / ANSWERS);
        assertThat(found.prompt()).isEqualTo(prompt);
        Reply alone = generator.reply(prompt, i % ANSWERS, SAMPLED, piece -> {}, false);
        model.lanes.run(
            () -> {
              try (DecodeBatch batch = generator.batch(SAMPLED, List.of(alone), 1)) {
                batch.run();
                return batch.prefilled();
              }
            });
        Rollout expected = alone.rollout(1);
        assertThat(found.response()).as("answer %d", i).isEqualTo(expected.response());
        for (int t = 0; t < expected.logprobs().size(); t++) {
          assertThat(found.logprobs().get(t)).isCloseTo(expected.logprobs().get(t), within(1e-5f));
        }
      }
    }
  }

  @Test
  void group_dependsOnPromptAndNumberAlone() {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      List<Prompt> prompts = prompts();
      List<Rollout> groups = generator.generate(1, prompts, ANSWERS, SAMPLED);
      List<Rollout> plain = generator.generate(1, prompts, SAMPLED);
      List<Rollout> fewer = generator.generate(1, prompts, 3, SAMPLED);
      for (int i = 0; i < prompts.size(); i++) {
        List<TokenIds> group = responses(group(groups, i));
        assertThat(group.get(0)).isEqualTo(plain.get(i).response());
        assertThat(group.subList(0, 3)).isEqualTo(responses(fewer.subList(3 * i, 3 * i + 3)));
        assertThat(group.stream().distinct().count()).isGreaterThan(ANSWERS / 2);
        assertThat(responses(generator.generate(1, List.of(prompts.get(i)), ANSWERS, SAMPLED)))
            .isEqualTo(group);
      }
      List<Prompt> reversed = new ArrayList<>(prompts);
      Collections.reverse(reversed);
      List<Rollout> other = generator.generate(1, reversed, ANSWERS, SAMPLED);
      for (int i = 0; i < prompts.size(); i++) {
        assertThat(responses(group(other, prompts.size() - 1 - i)))
            .isEqualTo(responses(group(groups, i)));
      }
    }
  }

  /** Seeds that lie a multiple of the generator's own step apart would give the same numbers. */
  @Test
  void answers_haveStreamsOfTheirOwn() {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA)) {
      Prompt prompt = prompts().get(0);
      List<List<Float>> streams = new ArrayList<>();
      for (int answer = 0; answer < 64; answer++) {
        Reply reply =
            new Reply(
                prompt,
                new int[0],
                answer,
                SAMPLED,
                99,
                Set.of(),
                model.tokenizer,
                piece -> {},
                false);
        List<Float> stream = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
          stream.add(reply.nextUniform());
        }
        streams.add(stream);
      }
      // Three in a row that two streams share, at any distance, would be no chance: 2^-72 each.
      Set<List<Float>> seen = new java.util.HashSet<>();
      for (List<Float> stream : streams) {
        for (int i = 0; i + 3 <= stream.size(); i++) {
          assertThat(seen.add(List.copyOf(stream.subList(i, i + 3)))).isTrue();
        }
      }
    }
  }

  @Test
  void group_ofNone_isRefused() {
    try (TinyModel model = new TinyModel(directory, TinyModel.Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      assertThatThrownBy(() -> generator.generate(1, prompts(), 0, SAMPLED))
          .isInstanceOf(GenerationException.class)
          .hasMessage("each prompt is to have 0 answers, must be at least 1");
    }
  }
}
