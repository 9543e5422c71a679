package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
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
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Packed sequences against the same ones by themselves, for every family's golden checkpoint: each
 * sequence's outputs, the gradient, and what training with it comes to.
 */
final class PackingTest {
  /** Of a log-probability, entropy or value, as a share of it or of 1: a few last digits. */
  private static final double TOLERANCE = 2e-6;

  /** The same of gpt-neox, where one last digit of every parameter comes to 1.1e-5. */
  private static final double SENSITIVE = 2e-5;

  /** Of a gradient, as a share of the largest number in it: float32 sums in another order. */
  private static final double GRADIENT = 1e-6;

  private static final Set<Output> ALL = Set.of(Output.LOGPROBS, Output.ENTROPIES, Output.VALUES);
  private static final Path FAMILIES =
      Path.of(System.getProperty("troupe.root"), "models/src/test/resources/golden/families");

  @TempDir Path directory;

  /** One or two sequences that stay together. */
  private record Texts(List<Sequence> sequences) implements Example {}

  /**
   * All outputs, weighted by place and token, so that a mistaken place shows; adds up over
   * examples.
   */
  private record Weighted() implements Objective<Texts> {
    @Override
    public Set<Output> needs() {
      return ALL;
    }

    @Override
    public LossGradient evaluate(
        List<Texts> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (int i = 0; i < examples.size(); i++) {
        List<TokenGradients> ofExample = new ArrayList<>();
        for (int j = 0; j < outputs.get(i).size(); j++) {
          TokenOutputs output = outputs.get(i).get(j);
          TokenIds tokens = examples.get(i).sequences().get(j).tokens();
          float[] weights = new float[output.logprobs().size()];
          for (int t = 0; t < weights.length; t++) {
            weights[t] = (1 + (tokens.get(t) + t) % 5) / 1000f;
            loss +=
                weights[t]
                    * (output.entropies().get(t)
                        + output.values().get(t)
                        - output.logprobs().get(t));
          }
          float[] minus = new float[weights.length];
          for (int t = 0; t < minus.length; t++) {
            minus[t] = -weights[t];
          }
          Floats plus = new Floats(weights);
          ofExample.add(new TokenGradients(new Floats(minus), plus, plus));
        }
        gradients.add(ofExample);
      }
      return new LossGradient(loss, gradients, Map.of());
    }
  }

  static List<Path> families() throws IOException {
    try (Stream<Path> found = Files.list(FAMILIES)) {
      return found.sorted().toList();
    }
  }

  @ParameterizedTest
  @MethodSource("families")
  void packed_ofEachFamily_isWhatEachSequenceIsByItself(Path family) {
    ModelConfig config = ModelConfig.read(family);
    int longest = Math.min(config.maxPositionEmbeddings(), 90);
    for (Tuning tuning :
        List.of(new Tuning.Lora(3, 6, List.of(Tuning.ALL_LINEAR)), new Tuning.Full())) {
      compare(
          family.getFileName() + ", " + tuning.getClass().getSimpleName(),
          TinyModel.role(family, tuning, Head.VALUE, 0, false),
          texts(13, longest, config.vocabSize()));
    }
  }

  @Test
  void packed_withRecomputingAndDora_isWhatEachSequenceIsByItself() {
    Path deep = TinyModel.write(directory, TinyModel.DEEP);
    List<Texts> texts = texts(13, 60, TinyModel.DEEP.vocabSize());
    compare("recomputed", TinyModel.role(deep, new Tuning.Full(), Head.VALUE, 0, true), texts);
    compare("DoRA", TinyModel.role(deep, TinyModel.DORA, Head.VALUE), texts);
  }

  /** Beyond the length up to which attention goes by blocks, and to exactly it. */
  @Test
  void packed_ofLongSequences_isWhatEachSequenceIsByItself() {
    ModelConfig config = TinyModel.LONG;
    Path model = TinyModel.write(directory, config);
    Random random = new Random(8);
    List<Texts> texts =
        IntStream.of(1200, 2, 512, 513, 70, 300, 64, 65, 511)
            .mapToObj(length -> new Texts(List.of(sequence(length, config.vocabSize(), random))))
            .toList();
    RoleSpec role =
        TinyModel.role(model, new Tuning.Lora(3, 6, TinyModel.ALL), Head.VALUE, 2000, false);
    compare("long", role, texts);
  }

  private static void compare(String what, RoleSpec role, List<Texts> texts) {
    List<Sequence> sequences = texts.stream().flatMap(text -> text.sequences().stream()).toList();
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        HybridEngine padded = (HybridEngine) engines.open(role);
        HybridEngine packed = (HybridEngine) engines.open(packing(role))) {
      // Until nothing is what it starts as, B of LoRA neither.
      for (int step = 0; step < 2; step++) {
        padded.update(new Weighted(), texts);
      }
      packed.take(List.of(padded.parameters()), 2);
      double outputs = 0;
      List<TokenOutputs> found = packed.evaluate(sequences, ALL);
      for (int i = 0; i < sequences.size(); i++) {
        TokenOutputs alone = padded.evaluate(List.of(sequences.get(i)), ALL).get(0);
        outputs = Math.max(outputs, worst(alone.logprobs(), found.get(i).logprobs()));
        outputs = Math.max(outputs, worst(alone.entropies(), found.get(i).entropies()));
        outputs = Math.max(outputs, worst(alone.values(), found.get(i).values()));
      }
      double[] expected = new double[padded.parameters().size()];
      for (Texts text : texts) {
        float[] alone = padded.trainer().gradient(new Weighted(), List.of(text));
        Arrays.setAll(expected, i -> expected[i] + alone[i]);
      }
      float[] gradient = packed.trainer().gradient(new Weighted(), texts);
      double largest = 0;
      double gradients = 0;
      for (int i = 0; i < expected.length; i++) {
        largest = Math.max(largest, Math.abs(expected[i]));
        gradients = Math.max(gradients, Math.abs(expected[i] - gradient[i]));
      }
      gradients /= largest;
      System.out.printf(
          Locale.ROOT,
          "%s: outputs %.1e, gradient %.1e of the largest%n",
          what,
          outputs,
          gradients);
      assertThat(outputs)
          .as(what)
          .isLessThanOrEqualTo(what.startsWith("gpt-neox,") ? SENSITIVE : TOLERANCE);
      assertThat(gradients).as(what).isLessThanOrEqualTo(GRADIENT);
    }
  }

  private static double worst(Floats expected, Floats found) {
    assertThat(found.size()).isEqualTo(expected.size());
    double worst = 0;
    for (int i = 0; i < expected.size(); i++) {
      double difference =
          Math.abs((double) expected.get(i) - found.get(i))
              / Math.max(1, Math.abs(expected.get(i)));
      worst = difference <= worst ? worst : difference;
    }
    return worst;
  }

  @Test
  void packed_inBfloat16_isCloseToFloat32() {
    Path model = TinyModel.write(directory, TinyModel.CONFIG);
    RoleSpec role = packing(TinyModel.role(model, new Tuning.Full(), Head.VALUE));
    List<Sequence> sequences =
        texts(9, 40, TinyModel.CONFIG.vocabSize()).stream()
            .flatMap(text -> text.sequences().stream())
            .toList();
    try (HybridEngines engines = new HybridEngines();
        RoleEngine fp32 = engines.open(role);
        RoleEngine bf16 = engines.open(role.with(new Numerics(Storage.BF16, Storage.FP32)))) {
      List<TokenOutputs> expected = fp32.evaluate(sequences, Set.of(Output.LOGPROBS));
      List<TokenOutputs> found = bf16.evaluate(sequences, Set.of(Output.LOGPROBS));
      double worst = 0;
      for (int i = 0; i < sequences.size(); i++) {
        worst = Math.max(worst, worst(expected.get(i).logprobs(), found.get(i).logprobs()));
      }
      // Eight bits of each factor, as NumericsTest has it.
      assertThat(worst).isBetween(1e-5, 0.1);
    }
  }

  /** To the bit: the numbers of one position go into no other sequence's. */
  @Test
  void packed_otherTokensInOneSequence_changeNothingOfTheOthers() {
    Path model = TinyModel.write(directory, TinyModel.CONFIG);
    int vocabulary = TinyModel.CONFIG.vocabSize();
    List<Sequence> sequences =
        texts(12, 60, vocabulary).stream().flatMap(text -> text.sequences().stream()).toList();
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine =
            engines.open(packing(TinyModel.role(model, new Tuning.Full(), Head.VALUE)))) {
      List<TokenOutputs> before = engine.evaluate(sequences, ALL);
      for (int changed = 0; changed < sequences.size(); changed++) {
        List<Sequence> others = new ArrayList<>(sequences);
        int[] tokens = sequences.get(changed).tokens().values().clone();
        Arrays.setAll(tokens, t -> (tokens[t] + 1) % vocabulary);
        others.set(changed, new Sequence(new TokenIds(tokens), sequences.get(changed).reads()));
        List<TokenOutputs> after = engine.evaluate(others, ALL);
        for (int i = 0; i < sequences.size(); i++) {
          if (i != changed) {
            assertThat(after.get(i)).isEqualTo(before.get(i));
          } else if (before.get(i).values().size() > 0) {
            assertThat(after.get(i)).isNotEqualTo(before.get(i));
          }
        }
      }
    }
  }

  @Test
  void packed_severalSteps_giveTheUnpackedLossesAndParameters_andTheSameBitsAgain() {
    Path model = TinyModel.write(directory, TinyModel.CONFIG);
    RoleSpec role = TinyModel.role(model, new Tuning.Full(), Head.VALUE);
    List<Texts> texts = texts(40, 60, TinyModel.CONFIG.vocabSize());
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine padded = engines.open(role);
        RoleEngine packed = engines.open(packing(role));
        RoleEngine again = engines.open(packing(role))) {
      for (int step = 0; step < 5; step++) {
        double expected = padded.update(new Weighted(), texts).loss();
        double found = packed.update(new Weighted(), texts).loss();
        assertThat(found).isCloseTo(expected, within(1e-5 * Math.abs(expected)));
        assertThat(again.update(new Weighted(), texts).loss()).isEqualTo(found);
      }
      assertThat(again.parameters()).isEqualTo(packed.parameters());
      assertThat(packed.parameters()).isNotEqualTo(padded.parameters());
    }
  }

  private static RoleSpec packing(RoleSpec role) {
    return role.with(role.optimizer().orElseThrow().packing(true));
  }

  /** Of one sequence or two, from one token to {@code longest}. */
  private static List<Texts> texts(int count, int longest, int vocabulary) {
    Random random = new Random(4);
    List<Texts> texts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      List<Sequence> sequences = new ArrayList<>();
      for (int j = 0; j <= i % 3 / 2; j++) {
        int length = i == 0 ? longest : 1 + random.nextInt(random.nextInt(longest) + 1);
        sequences.add(sequence(length, vocabulary, random));
      }
      texts.add(new Texts(sequences));
    }
    return texts;
  }

  private static Sequence sequence(int length, int vocabulary, Random random) {
    TokenIds tokens = new TokenIds(random.ints(length, 0, vocabulary).toArray());
    return Sequence.ofTargets(tokens, 1 + random.nextInt(length));
  }
}
