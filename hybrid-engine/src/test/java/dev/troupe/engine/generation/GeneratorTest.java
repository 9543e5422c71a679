package dev.troupe.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.engine.generation.TinyModel.Tuned;
import dev.troupe.models.torch.Handle;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class GeneratorTest {
  private static final SamplingSettings GREEDY = new SamplingSettings(24, 0, 0, 1, List.of(), 1);
  private static final SamplingSettings SAMPLED =
      new SamplingSettings(24, 0.7, 0, 1, List.of(), 42);

  @TempDir Path directory;

  private static List<Prompt> prompts(TinyModel model) {
    return List.of(
        model.prompt("a", "the cat"),
        model.prompt("b", "a bird sings and the dog ran on the mat and sat"),
        model.prompt("c", "t"),
        model.prompt("d", "the dog sings"),
        model.prompt("e", "the mat"));
  }

  private static int[] join(Prompt prompt, int[] response, int count) {
    return prompt.tokens().concat(new TokenIds(Arrays.copyOf(response, count))).values();
  }

  private static double[] logSoftmax(float[] logits, double temperature) {
    double max = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      max = Math.max(max, logit / temperature);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit / temperature - max);
    }
    double[] out = new double[logits.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = logits[i] / temperature - max - Math.log(sum);
    }
    return out;
  }

  private static int argmax(double[] values) {
    int best = 0;
    for (int i = 1; i < values.length; i++) {
      best = values[i] > values[best] ? i : best;
    }
    return best;
  }

  @ParameterizedTest
  @EnumSource(Tuned.class)
  void generate_greedy_equalsTrainingPathWithoutCache(Tuned tuned) {
    try (TinyModel model = new TinyModel(directory, tuned);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      for (Rollout rollout : generator.generate(1, prompts(model), GREEDY)) {
        int[] response = rollout.response().values();
        for (int t = 0; t < response.length; t++) {
          double[] logprobs = logSoftmax(model.logits(join(rollout.prompt(), response, t)), 1);
          assertThat(response[t])
              .as("%s token %s", rollout.prompt(), t)
              .isEqualTo(argmax(logprobs));
          assertThat((double) rollout.logprobs().get(t))
              .isCloseTo(logprobs[response[t]], within(1e-5));
        }
        assertThat(rollout.adapterVersion()).isEqualTo(1);
      }
    }
  }

  @Test
  void generate_sampled_equalsInverseDistributionOfTrainingPath() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 3);
      for (Rollout rollout : generator.generate(3, prompts(model), SAMPLED)) {
        Reply random =
            new Reply(
                rollout.prompt(),
                new int[0],
                0,
                SAMPLED,
                99,
                Set.of(),
                model.tokenizer,
                s -> {},
                false);
        int[] response = rollout.response().values();
        for (int t = 0; t < response.length; t++) {
          double[] logprobs =
              logSoftmax(model.logits(join(rollout.prompt(), response, t)), SAMPLED.temperature());
          double u = random.nextUniform();
          int token = 0;
          double sum = Math.exp(logprobs[0]);
          while (sum <= u) {
            sum += Math.exp(logprobs[++token]);
          }
          assertThat(response[t]).as("%s token %s", rollout.prompt(), t).isEqualTo(token);
          assertThat((double) rollout.logprobs().get(t)).isCloseTo(logprobs[token], within(1e-5));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Storage.class,
      names = {"FP32", "BF16", "FP16", "INT8"})
  void generate_aloneOrInBatch_givesTheSameTokens(Storage format) {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(format)) {
      generator.flip(model.parameters, 1);
      SamplingSettings settings = new SamplingSettings(30, 1, 20, 0.9, List.of("c", "a"), 7);
      List<Rollout> together = generator.generate(1, prompts(model), settings);
      assertThat(together).extracting(Rollout::finish).contains(FinishReason.STOP);
      assertThat(together.stream().map(rollout -> rollout.response().size()).distinct().count())
          .as("lengths differ, so that rows leave at different times")
          .isGreaterThan(1);
      for (Rollout rollout : together) {
        Rollout alone = generator.generate(1, List.of(rollout.prompt()), settings).get(0);
        assertThat(alone.response()).isEqualTo(rollout.response());
        for (int i = 0; i < alone.logprobs().size(); i++) {
          assertThat(alone.logprobs().get(i)).isCloseTo(rollout.logprobs().get(i), within(1e-5f));
        }
      }
    }
  }

  @Test
  void generate_manyPromptsSmallCache_goesInSeveralBatches() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator roomy = model.generator(Storage.FP32);
        Generator cramped =
            new Generator(
                model.base,
                model.tokenizer,
                model.layout,
                model.lanes,
                new Generator.Options(Storage.FP32, 100_000, false))) {
      List<Prompt> prompts = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        prompts.add(model.prompt("p" + i, "the cat sat on the mat".substring(0, 2 + i)));
      }
      roomy.flip(model.parameters, 1);
      cramped.flip(model.parameters, 1);
      assertThat(cramped.generate(1, prompts, SAMPLED))
          .extracting(Rollout::response)
          .isEqualTo(roomy.generate(1, prompts, SAMPLED).stream().map(Rollout::response).toList());
      assertThat(cramped.memoryBytes().get("kv-cache")).isBetween(1L, 100_000L);
      assertThat(roomy.memoryBytes().get("kv-cache")).isGreaterThan(100_000);
      SamplingSettings tooLong = new SamplingSettings(90, 1, 0, 1, List.of(), 1);
      try (Generator tiny =
          new Generator(
              model.base,
              model.tokenizer,
              model.layout,
              model.lanes,
              new Generator.Options(Storage.FP32, 10_000, false))) {
        tiny.flip(model.parameters, 1);
        assertThatThrownBy(() -> tiny.generate(1, prompts, tooLong))
            .isInstanceOf(GenerationException.class)
            .hasMessageContaining("cache of keys and values needs")
            .hasMessageContaining("tokens");
      }
    }
  }

  @Test
  void generate_seed_reproducesAndMatters() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      List<Rollout> first = generator.generate(1, prompts(model), SAMPLED);
      assertThat(generator.generate(1, prompts(model), SAMPLED)).isEqualTo(first);
      assertThat(generator.generate(1, prompts(model), SAMPLED.withSeed(43)))
          .extracting(Rollout::response)
          .isNotEqualTo(first.stream().map(Rollout::response).toList());
      Prompt other = model.prompt("another id", "the cat");
      assertThat(generator.generate(1, List.of(other), SAMPLED).get(0).response())
          .isNotEqualTo(first.get(0).response());
    }
  }

  /** First tokens of many requests against the truncated and renormalised distribution. */
  @Test
  void generate_topKAndTopP_restrictChoiceNotLogprob() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      Prompt prompt = model.prompt("x", "the cat");
      double temperature = 0.8;
      double[] logprobs = logSoftmax(model.logits(prompt.tokens().values()), temperature);
      List<Integer> order = new ArrayList<>();
      for (int i = 0; i < logprobs.length; i++) {
        order.add(i);
      }
      order.sort((a, b) -> Double.compare(logprobs[b], logprobs[a]));
      check(generator, model, logprobs, order.subList(0, 5), 5, 1);
      check(generator, model, logprobs, nucleus(order, logprobs, 0.6, 1), 0, 0.6);
      double five = order.subList(0, 5).stream().mapToDouble(i -> Math.exp(logprobs[i])).sum();
      check(generator, model, logprobs, nucleus(order.subList(0, 5), logprobs, 0.7, five), 5, 0.7);
    }
  }

  private static List<Integer> nucleus(
      List<Integer> order, double[] logprobs, double topP, double total) {
    List<Integer> kept = new ArrayList<>();
    double sum = 0;
    for (int token : order) {
      if (sum / total >= topP) {
        break;
      }
      kept.add(token);
      sum += Math.exp(logprobs[token]);
    }
    return kept;
  }

  private static void check(
      Generator generator,
      TinyModel model,
      double[] logprobs,
      List<Integer> kept,
      int topK,
      double topP) {
    int count = 4000;
    List<Prompt> prompts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      prompts.add(model.prompt("sample " + i, "the cat"));
    }
    SamplingSettings settings = new SamplingSettings(1, 0.8, topK, topP, List.of(), 3);
    int[] seen = new int[logprobs.length];
    Set<Integer> chosen = new HashSet<>();
    for (Rollout rollout : generator.generate(1, prompts, settings)) {
      int token = rollout.response().get(0);
      seen[token]++;
      chosen.add(token);
      assertThat((double) rollout.logprobs().get(0)).isCloseTo(logprobs[token], within(1e-5));
    }
    assertThat(kept).as("top-k %s, top-p %s", topK, topP).containsAll(chosen);
    double mass = kept.stream().mapToDouble(i -> Math.exp(logprobs[i])).sum();
    for (int token : kept) {
      double expected = Math.exp(logprobs[token]) / mass;
      // Five standard deviations of a binomial share.
      double margin = 5 * Math.sqrt(expected * (1 - expected) / count);
      assertThat((double) seen[token] / count).isCloseTo(expected, within(margin));
    }
  }

  @Test
  void generate_endToken_endsWithItAndLeavesItOutOfTheText() {
    try (TinyModel model = new TinyModel(directory, Tuned.FULL)) {
      // Hot enough that the end token comes up among 300 tokens now and then.
      SamplingSettings settings = new SamplingSettings(80, 3, 0, 1, List.of(), 9);
      List<Prompt> prompts = new ArrayList<>();
      for (int i = 0; i < 200; i++) {
        prompts.add(model.prompt("p" + i, "the cat"));
      }
      try (Generator generator = model.generator(Storage.FP32)) {
        generator.flip(model.parameters, 1);
        List<Rollout> rollouts = generator.generate(1, prompts, settings);
        int eos = model.tokenizer.eos();
        assertThat(rollouts).extracting(Rollout::finish).contains(FinishReason.EOS);
        for (Rollout rollout : rollouts) {
          int[] tokens = rollout.response().values();
          boolean ended = tokens[tokens.length - 1] == eos;
          assertThat(rollout.finish() == FinishReason.EOS).isEqualTo(ended);
          assertThat(Arrays.stream(tokens).filter(token -> token == eos).count())
              .isEqualTo(ended ? 1 : 0);
          assertThat(rollout.text()).doesNotContain("</s>");
          assertThat(rollout.logprobs().size()).isEqualTo(tokens.length);
        }
      }
    }
  }

  @Test
  void generate_stopString_endsAtTheTokenThatCompletesIt() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      Prompt prompt = model.prompt("a", "the cat");
      Rollout free = generator.generate(1, List.of(prompt), SAMPLED).get(0);
      String stop = free.text().replace("\ufffd", "").substring(3, 5);
      Rollout stopped =
          generator
              .generate(
                  1, List.of(prompt), new SamplingSettings(24, 0.7, 0, 1, List.of("#!", stop), 42))
              .get(0);
      assertThat(stopped.finish()).isEqualTo(FinishReason.STOP);
      assertThat(stopped.text()).contains(stop);
      int[] tokens = stopped.response().values();
      assertThat(model.tokenizer.decode(Arrays.copyOf(tokens, tokens.length - 1)))
          .doesNotContain(stop);
      assertThat(tokens).isEqualTo(Arrays.copyOf(free.response().values(), tokens.length));
    }
  }

  @Test
  void stream_pieces_addUpToTheText() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      StringBuilder text = new StringBuilder();
      Prompt prompt = model.prompt("a", "the cat");
      Rollout rollout = generator.stream(1, prompt, SAMPLED, piece -> text.append(piece));
      assertThat(rollout.text()).startsWith(text.toString()).isNotEmpty();
      assertThat(rollout).isEqualTo(generator.generate(1, List.of(prompt), SAMPLED).get(0));
    }
  }

  @Test
  void generate_contextAtItsEnd_stopsThereAndRefusesLongerPrompts() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      generator.flip(model.parameters, 1);
      int[] almost = new int[TinyModel.CONTEXT - 3];
      Arrays.fill(almost, 40);
      Prompt close = new Prompt("close", "", new TokenIds(almost));
      List<Rollout> rollouts =
          generator.generate(1, List.of(close, model.prompt("a", "t")), SAMPLED);
      assertThat(rollouts.get(0).response().size()).isEqualTo(3);
      assertThat(rollouts.get(0).finish()).isEqualTo(FinishReason.LENGTH);
      assertThat(rollouts.get(1).response().size()).isEqualTo(24);
      Prompt full = new Prompt("full", "", new TokenIds(new int[TinyModel.CONTEXT]));
      assertThatThrownBy(() -> generator.generate(1, List.of(full), SAMPLED))
          .isInstanceOf(GenerationException.class)
          .hasMessageContaining("'full' has 96 tokens")
          .hasMessageContaining("context is 96");
      Prompt alien = new Prompt("alien", "", TokenIds.of(100_000));
      assertThatThrownBy(() -> generator.generate(1, List.of(alien), SAMPLED))
          .isInstanceOf(GenerationException.class)
          .hasMessageContaining("token 100000");
    }
  }

  @Test
  void mode_illegalTransitions_nameTheState() {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(Storage.FP32)) {
      List<Prompt> prompts = prompts(model);
      assertThatThrownBy(() -> generator.generate(1, prompts, GREEDY))
          .hasMessageContaining("while training");
      assertThatThrownBy(generator::release).hasMessageContaining("while training");
      generator.flip(model.parameters, 4);
      assertThatThrownBy(() -> generator.flip(model.parameters, 5))
          .hasMessageContaining("while generating with adapter version 4 (FP32)");
      assertThatThrownBy(() -> generator.generate(5, prompts, GREEDY))
          .hasMessageContaining("version 5 while generating with adapter version 4");
      assertThat(generator.memoryBytes().get("shadow")).isPositive();
      generator.release();
      assertThat(generator.mode()).isEqualTo(new EngineMode.Training());
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Storage.class,
      names = {"FP32", "BF16", "FP16", "INT8"})
  void flip_everyFormat_staysWithinItsTolerance(Storage format) {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator = model.generator(format)) {
      FlipReport report = generator.flip(model.parameters, 1);
      assertThat(report.probeDifference()).isLessThan(Packing.of(format).tolerance());
    }
  }

  @Test
  void flip_corruptedShadow_failsAndNamesTheLayer() {
    // By torch's operators, whose matrices are a tensor each.
    try (TinyModel model = new TinyModel(directory, Tuned.LORA);
        Generator generator =
            new Generator(
                model.base,
                model.tokenizer,
                model.layout,
                model.lanes,
                Generator.Options.defaults().by(Numerics.Kernels.TORCH))) {
      assertThatThrownBy(() -> generator.flip(model.parameters, 1, GeneratorTest::spoil))
          .isInstanceOf(GenerationException.class)
          .hasMessageContaining("model.layers.1,")
          .hasMessageContaining("version 1 failed its probe");
      assertThat(generator.mode()).isEqualTo(new EngineMode.Training());
    }
  }

  /** Layer 1 gets layer 2's o_proj: four matrices per layer, of which o is the second. */
  private static Shadow spoil(Shadow right) {
    try (Handle old = right.packed()) {
      Handle[] parts = old.parts();
      List<Handle> wrong = new ArrayList<>(List.of(parts));
      wrong.set(5, parts[9]);
      Handle packed = Handle.ofTensors(wrong);
      for (Handle part : parts) {
        part.close();
      }
      return new Shadow(right.frame(), packed);
    }
  }

  @Test
  void flip_thousandTimes_leavesBaseAndHandlesAsTheyWere() throws NoSuchAlgorithmException {
    try (TinyModel model = new TinyModel(directory, Tuned.LORA_QV);
        Generator generator = model.generator(Storage.FP32)) {
      String before = sha256(model);
      List<Prompt> prompts = prompts(model);
      SamplingSettings few = new SamplingSettings(2, 1, 0, 1, List.of(), 1);
      SplittableRandom random = new SplittableRandom(3);
      float[] values = model.values(1);
      long handles = Long.MIN_VALUE;
      for (int version = 0; version < 1000; version++) {
        values[random.nextInt(values.length)] += 0.01f;
        model.parameters.write(values);
        generator.flip(model.parameters, version);
        if (version % 100 == 0) {
          generator.generate(version, prompts, few);
        }
        generator.release();
        if (version == 10) {
          handles = Handle.live();
        }
      }
      assertThat(Handle.live()).isEqualTo(handles);
      assertThat(sha256(model)).isEqualTo(before);
    }
  }

  private static String sha256(TinyModel model) throws NoSuchAlgorithmException {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    for (int i = 0; i < model.base.config().weights().size(); i++) {
      float[] values = model.base.floats(i);
      ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES);
      bytes.asFloatBuffer().put(values);
      digest.update(bytes);
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
