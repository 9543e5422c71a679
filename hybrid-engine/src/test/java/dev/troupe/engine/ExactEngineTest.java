package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.tokenizer.BpeTrainer;
import dev.troupe.models.tokenizer.BpeVocabulary;
import dev.troupe.models.torch.Lanes;
import dev.troupe.models.torch.NativeLibrary;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A role that is scored by the operators that sample: while it answers, is scored and learns. */
final class ExactEngineTest {
  private static final Numerics FLOATS =
      new Numerics(Storage.FP32, Storage.FP32, Numerics.Kernels.NATIVE).exact(true);
  private static final Numerics HALVES =
      new Numerics(Storage.BF16, Storage.BF16, Numerics.Kernels.NATIVE).exact(true);

  @TempDir Path directory;
  private Path model;

  private record Answer(Sequence sequence, Floats sampled) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  /** The mean ratio to what was sampled, and how far from it each token is. */
  private record MeanRatio(boolean comparesWithSampling) implements Objective<Answer> {
    @Override
    public Set<Output> needs() {
      return Set.of(Output.LOGPROBS, Output.ENTROPIES);
    }

    @Override
    public LossGradient evaluate(
        List<Answer> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      double gap = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (int i = 0; i < examples.size(); i++) {
        Floats logprobs = outputs.get(i).get(0).logprobs();
        assertThat(outputs.get(i).get(0).entropies().size()).isEqualTo(logprobs.size());
        float[] gradient = new float[logprobs.size()];
        for (int t = 0; t < gradient.length; t++) {
          double difference = (double) logprobs.get(t) - examples.get(i).sampled().get(t);
          gap += Math.abs(difference);
          // Longer answers are the better ones.
          double ratio = -Math.exp(difference) * gradient.length / totals.reads();
          loss += ratio;
          gradient[t] = (float) ratio;
        }
        gradients.add(List.of(TokenGradients.ofLogprobs(gradient)));
      }
      return new LossGradient(loss, gradients, Map.of("gap", gap));
    }
  }

  @BeforeEach
  void writeModel() {
    assumeTrue(NativeLibrary.state() instanceof NativeLibrary.Loaded);
    Path path = directory.resolve("model");
    BpeVocabulary vocabulary =
        BpeTrainer.train(List.of("the cat sat on the mat"), 270, List.of("</s>"));
    vocabulary.write(
        path,
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
    model = TinyModel.write(path, config);
  }

  private static List<Prompt> prompts(long seed) {
    Random random = new Random(seed);
    List<Prompt> out = new ArrayList<>();
    for (int i = 0; i < 7; i++) {
      int[] tokens = random.ints(1 + random.nextInt(20), 3, 200).toArray();
      out.add(new Prompt("p" + i, "", new TokenIds(tokens)));
    }
    return out;
  }

  private RoleSpec role(Tuning tuning, Numerics numerics, boolean packing) {
    RoleSpec role = TinyModel.role(model, tuning, Head.LANGUAGE_MODEL, 48).with(numerics);
    OptimizerSettings settings = role.optimizer().orElseThrow();
    return role.with(
        new OptimizerSettings(
            settings.learningRate(),
            settings.beta1(),
            settings.beta2(),
            settings.epsilon(),
            settings.weightDecay(),
            settings.maxGradientNorm(),
            settings.microBatchTokens(),
            settings.recompute(),
            packing));
  }

  /** Rounds of answering, scoring and learning: each begins at a ratio of 1. */
  @Test
  void rounds_beginAtWhatWasSampled_bitForBit() {
    List<Tuning> tunings =
        List.of(new Tuning.Lora(3, 6, TinyModel.ALL), TinyModel.DORA, new Tuning.Full());
    for (Numerics numerics : List.of(FLOATS, HALVES)) {
      for (Tuning tuning : tunings) {
        for (int count = 1; count <= 3; count++) {
          try (Lanes lanes = new Lanes(count);
              HybridEngines engines = new HybridEngines(lanes);
              RoleEngine engine = engines.open(role(tuning, numerics, count == 2))) {
            for (int round = 0; round < 3; round++) {
              List<Rollout> rollouts =
                  engine.generate(
                      prompts(round), 2, new SamplingSettings(12, 1, 0, 1, List.of(), round));
              List<TokenOutputs> said =
                  engine.evaluate(
                      rollouts.stream().map(Rollout::sequence).toList(),
                      Set.of(Output.LOGPROBS, Output.ENTROPIES));
              List<Answer> examples = new ArrayList<>();
              for (int i = 0; i < rollouts.size(); i++) {
                assertThat(said.get(i).logprobs())
                    .as("%s, %s, %s lanes, answer %s", numerics, tuning, count, i)
                    .isEqualTo(rollouts.get(i).logprobs());
                examples.add(new Answer(rollouts.get(i).sequence(), rollouts.get(i).logprobs()));
              }
              UpdateResult first = engine.update(new MeanRatio(true), examples);
              assertThat(first.metrics().get("gap")).isZero();
              UpdateResult second = engine.update(new MeanRatio(true), examples);
              assertThat(second.metrics().get("gap")).isPositive();
            }
          }
        }
      }
    }
  }

  /** Gradients are those of the training path, within what the numbers it starts from differ. */
  @Test
  void update_isThatOfTheTrainingPath() {
    Tuning tuning = new Tuning.Lora(3, 6, TinyModel.ALL);
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine exact = engines.open(role(tuning, FLOATS, false));
        RoleEngine usual = engines.open(role(tuning, FLOATS.exact(false), false))) {
      List<Rollout> rollouts =
          exact.generate(prompts(1), 2, new SamplingSettings(12, 1, 0, 1, List.of(), 1));
      List<Answer> examples =
          rollouts.stream().map(one -> new Answer(one.sequence(), one.logprobs())).toList();
      UpdateResult one = exact.update(new MeanRatio(true), examples);
      UpdateResult other = usual.update(new MeanRatio(true), examples);
      assertThat(one.gradientNorm())
          .isCloseTo(other.gradientNorm(), within(1e-5 * other.gradientNorm()));
      assertThat(other.metrics().get("gap")).isPositive();
    }
  }

  /** What is not compared with sampling needs no weights for it. */
  @Test
  void accumulate_ofAnotherObjective_freesWhatSampled() {
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(role(new Tuning.Lora(3, 6, TinyModel.ALL), FLOATS, false))) {
      List<Rollout> rollouts =
          engine.generate(prompts(2), new SamplingSettings(12, 1, 0, 1, List.of(), 1));
      List<Answer> examples =
          rollouts.stream().map(one -> new Answer(one.sequence(), one.logprobs())).toList();
      long sampling = engine.memoryBytes().get("shadow");
      engine.accumulate(new MeanRatio(true), examples, BatchTotals.of(examples));
      assertThat(engine.memoryBytes().get("shadow")).isEqualTo(sampling);
      engine.accumulate(new MeanRatio(false), examples, BatchTotals.of(examples));
      assertThat(engine.memoryBytes().get("shadow")).isLessThan(sampling);
    }
  }
}
