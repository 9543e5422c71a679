package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import dev.troupe.models.torch.Handle;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rounds of generating and training, as PPO takes them. */
final class GenerateAndTrainTest {
  private static final SamplingSettings SETTINGS = new SamplingSettings(12, 1, 0, 1, List.of(), 5);

  @TempDir Path directory;
  private Path model;

  private record One(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  /** Mean negative log-probability. */
  private record Likelihood() implements Objective<One> {
    @Override
    public Set<Output> needs() {
      return Set.of(Output.LOGPROBS);
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (List<TokenOutputs> output : outputs) {
        float[] logprobs = output.get(0).logprobs().values();
        float[] gradient = new float[logprobs.length];
        Arrays.fill(gradient, -1f / totals.reads());
        for (float logprob : logprobs) {
          loss -= logprob / totals.reads();
        }
        gradients.add(List.of(TokenGradients.ofLogprobs(gradient)));
      }
      return new LossGradient(loss, gradients, Map.of());
    }
  }

  @BeforeEach
  void writeModel() {
    Path tokenizer = directory.resolve("model");
    BpeVocabulary vocabulary =
        BpeTrainer.train(List.of("the cat sat on the mat"), 270, List.of("</s>"));
    vocabulary.write(
        tokenizer,
        new BpeVocabulary.Setup(Optional.empty(), "</s>", Optional.empty(), Optional.empty(), 64));
    ModelConfig config =
        ModelConfig.llama(
            vocabulary.tokens().size(),
            24,
            32,
            2,
            4,
            2,
            8,
            1e-5,
            10000,
            64,
            false,
            List.of(0),
            OptionalInt.empty(),
            OptionalInt.empty());
    model = TinyModel.write(tokenizer, config);
  }

  private static List<Prompt> prompts() {
    List<Prompt> out = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      int[] tokens = new int[2 + i];
      Arrays.setAll(tokens, t -> 20 + 3 * t);
      out.add(new Prompt("p" + i, "", new TokenIds(tokens)));
    }
    return out;
  }

  private static void round(RoleEngine engine, long seed) {
    List<Rollout> rollouts = engine.generate(prompts(), SETTINGS.withSeed(seed));
    List<One> examples = rollouts.stream().map(rollout -> new One(rollout.sequence())).toList();
    engine.evaluate(examples.stream().map(One::sequence).toList(), Set.of(Output.LOGPROBS));
    engine.update(new Likelihood(), examples);
  }

  /** Merged into what comes out of the blocks; the probe of each flip holds both paths together. */
  @ParameterizedTest
  @EnumSource(
      value = Storage.class,
      names = {"INT8", "NF4", "FP4"})
  void generate_onABaseInBlocks_logprobsAreThoseOfTheTrainingPath(Storage storage) {
    Quantisation held = new Quantisation(storage, 32, true);
    for (Storage rollouts : Storage.ofRollouts()) {
      Storage products = rollouts == Storage.FP32 ? Storage.FP32 : Storage.BF16;
      RoleSpec role =
          TinyModel.role(model, new Tuning.Lora(3, 6, TinyModel.ALL), Head.LANGUAGE_MODEL)
              .with(new Numerics(products, rollouts).on(held));
      try (HybridEngines engines = new HybridEngines();
          RoleEngine engine = engines.open(role)) {
        for (int i = 0; i < 3; i++) {
          round(engine, i);
        }
        List<Rollout> sampled = engine.generate(prompts(), SETTINGS);
        List<TokenOutputs> outputs =
            engine.evaluate(
                sampled.stream().map(Rollout::sequence).toList(), Set.of(Output.LOGPROBS));
        double worst = 0;
        for (int i = 0; i < sampled.size(); i++) {
          float[] expected = outputs.get(i).logprobs().values();
          float[] found = sampled.get(i).logprobs().values();
          for (int t = 0; t < found.length; t++) {
            worst = Math.max(worst, Math.abs(expected[t] - (double) found[t]));
          }
        }
        assertThat(worst).as(rollouts.name()).isLessThan(rollouts == Storage.FP32 ? 1e-4 : 0.2);
      }
    }
  }

  @Test
  void generate_afterUpdates_logprobsAreThoseOfTheTrainingPath() {
    for (Tuning tuning :
        List.of(
            new Tuning.Lora(3, 6, TinyModel.ALL),
            TinyModel.CHOICES,
            TinyModel.DORA,
            new Tuning.Full())) {
      try (HybridEngines engines = new HybridEngines();
          RoleEngine engine = engines.open(TinyModel.role(model, tuning, Head.LANGUAGE_MODEL))) {
        List<Rollout> before = engine.generate(prompts(), SETTINGS);
        for (int i = 0; i < 4; i++) {
          round(engine, i);
        }
        List<Rollout> rollouts = engine.generate(prompts(), SETTINGS);
        assertThat(rollouts).extracting(Rollout::adapterVersion).containsOnly(4L);
        assertThat(rollouts.get(0).logprobs()).isNotEqualTo(before.get(0).logprobs());
        List<TokenOutputs> outputs =
            engine.evaluate(
                rollouts.stream().map(Rollout::sequence).toList(), Set.of(Output.LOGPROBS));
        for (int i = 0; i < rollouts.size(); i++) {
          float[] expected = outputs.get(i).logprobs().values();
          float[] found = rollouts.get(i).logprobs().values();
          assertThat(found).hasSameSizeAs(expected);
          for (int t = 0; t < found.length; t++) {
            assertThat(found[t]).isCloseTo(expected[t], within(1e-5f));
          }
        }
        assertThat(engine.phaseSeconds()).containsKeys("generate", "score", "train", "flip");
        assertThat(engine.memoryBytes().get("shadow")).isPositive();
        assertThat(engine.memoryBytes().get("kv-cache")).isPositive();
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Storage.class,
      names = {"FP32", "INT8"})
  @EnabledOnOs(OS.LINUX)
  void rounds_threeHundred_leaveResidentMemoryAndHandlesFlat(Storage weights) throws IOException {
    RoleSpec role =
        TinyModel.role(model, new Tuning.Lora(3, 6, TinyModel.ALL), Head.LANGUAGE_MODEL);
    RoleSpec sampling =
        new RoleSpec(
            role.name(),
            role.model(),
            role.adapter(),
            role.tuning(),
            role.head(),
            role.optimizer(),
            role.temperature(),
            role.emaDecay(),
            role.seed(),
            new Numerics(Storage.FP32, weights, Numerics.Kernels.AUTO));
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(sampling)) {
      // The heap has grown and the code is compiled after some rounds.
      for (int i = 0; i < 120; i++) {
        round(engine, i);
      }
      System.gc();
      long handles = Handle.live();
      long before = nativeKilobytes();
      for (int i = 0; i < 300; i++) {
        round(engine, i);
      }
      System.gc();
      long drift = nativeKilobytes() - before;
      assertThat(Handle.live()).isEqualTo(handles);
      assertThat(drift).as("resident memory drift in KiB").isLessThan(10 * 1024);
    }
  }

  /** Resident memory in KiB. */
  private static long nativeKilobytes() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/status")).stream()
        .filter(line -> line.startsWith("VmRSS:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .findFirst()
        .orElseThrow();
  }
}
