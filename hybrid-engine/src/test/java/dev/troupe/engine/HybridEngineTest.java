package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class HybridEngineTest {
  @TempDir Path directory;
  private Path model;

  private record One(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  /** loss = sum over reads of a * logprob + b * entropy + c * value, with fixed uneven weights. */
  private record Weighted(double a, double b, double c) implements Objective<One> {
    @Override
    public Set<Output> needs() {
      Set<Output> needs = EnumSet.noneOf(Output.class);
      if (a != 0) {
        needs.add(Output.LOGPROBS);
      }
      if (b != 0) {
        needs.add(Output.ENTROPIES);
      }
      if (c != 0) {
        needs.add(Output.VALUES);
      }
      return needs;
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (int i = 0; i < examples.size(); i++) {
        TokenOutputs out = outputs.get(i).get(0);
        int n = examples.get(i).sequence().reads().size();
        float[][] g = new float[3][n];
        for (int t = 0; t < n; t++) {
          double weight = (1 + 0.1 * t) / totals.reads();
          g[0][t] = (float) (a * weight);
          g[1][t] = (float) (b * weight);
          g[2][t] = (float) (c * weight);
          loss += a == 0 ? 0 : g[0][t] * out.logprobs().get(t);
          loss += b == 0 ? 0 : g[1][t] * out.entropies().get(t);
          loss += c == 0 ? 0 : g[2][t] * out.values().get(t);
        }
        gradients.add(
            List.of(
                new TokenGradients(
                    a == 0 ? Floats.EMPTY : new Floats(g[0]),
                    b == 0 ? Floats.EMPTY : new Floats(g[1]),
                    c == 0 ? Floats.EMPTY : new Floats(g[2]))));
      }
      return new LossGradient(loss, gradients, Map.of());
    }
  }

  @BeforeEach
  void writeModel() {
    model = TinyModel.write(directory.resolve("model"), TinyModel.CONFIG);
  }

  private static List<One> examples(int count, long seed) {
    Random random = new Random(seed);
    List<One> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] tokens = random.ints(5 + random.nextInt(12), 0, TinyModel.CONFIG.vocabSize()).toArray();
      out.add(new One(Sequence.ofTargets(new TokenIds(tokens), 3)));
    }
    return out;
  }

  private static List<Sequence> sequences(List<One> examples) {
    return examples.stream().map(One::sequence).toList();
  }

  private static Tuning.Lora lora() {
    return new Tuning.Lora(3, 6, TinyModel.ALL);
  }

  @Test
  void evaluate_paddingAndCompany_changeNothing() {
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(TinyModel.role(model, lora(), Head.VALUE))) {
      List<Sequence> all = sequences(examples(9, 1));
      Set<Output> outputs = EnumSet.allOf(Output.class);
      List<TokenOutputs> together = engine.evaluate(all, outputs);
      for (int i = 0; i < all.size(); i++) {
        TokenOutputs alone = engine.evaluate(List.of(all.get(i)), outputs).get(0);
        assertThat(together.get(i).logprobs().values())
            .usingComparatorWithPrecision(2e-6f)
            .containsExactly(alone.logprobs().values());
        assertThat(together.get(i).values().values())
            .usingComparatorWithPrecision(2e-6f)
            .containsExactly(alone.values().values());
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void dropout_isInUpdatesAlone_andTheSameAgain(boolean dora) {
    List<One> examples = examples(4, 2);
    List<Sequence> sequences = sequences(examples);
    Weighted objective = new Weighted(-1.0, 0, 0);
    List<Double> losses = new ArrayList<>();
    List<List<TokenOutputs>> trained = new ArrayList<>();
    for (double dropout : new double[] {0.5, 0.5, 0}) {
      Tuning tuning =
          new Tuning.Lora(
              3,
              6,
              TinyModel.ALL,
              false,
              dropout,
              dora,
              List.of(),
              Map.of(),
              Map.of(),
              Tuning.Lora.Start.KAIMING,
              Tuning.Lora.Bias.NONE);
      try (HybridEngines engines = new HybridEngines();
          RoleEngine engine = engines.open(TinyModel.role(model, tuning, Head.VALUE))) {
        engine.update(objective, examples);
        List<TokenOutputs> once = engine.evaluate(sequences, Set.of(Output.LOGPROBS));
        assertThat(engine.evaluate(sequences, Set.of(Output.LOGPROBS))).isEqualTo(once);
        double evaluated = 0;
        for (int i = 0; i < sequences.size(); i++) {
          float[] logprobs = once.get(i).logprobs().values();
          for (int t = 0; t < logprobs.length; t++) {
            evaluated -= logprobs[t] * (1 + 0.1 * t);
          }
        }
        evaluated /= sequences.stream().mapToInt(sequence -> sequence.reads().size()).sum();
        double loss = engine.update(objective, examples).loss();
        if (dropout == 0) {
          assertThat(loss).isCloseTo(evaluated, within(1e-5));
        } else {
          // After one step DoRA stretches by little, and drops of that little alone.
          assertThat(loss).isNotCloseTo(evaluated, within(dora ? 5e-5 : 1e-3));
        }
        losses.add(loss);
        trained.add(engine.evaluate(sequences, Set.of(Output.LOGPROBS)));
      }
    }
    assertThat(losses.get(1)).isEqualTo(losses.get(0));
    assertThat(trained.get(1)).isEqualTo(trained.get(0));
    assertThat(trained.get(2)).isNotEqualTo(trained.get(0));
  }

  @Test
  void recompute_givesTheSameGradientAndTheSameSteps() {
    Path deep = TinyModel.write(directory.resolve("deep"), TinyModel.DEEP);
    Tuning.Lora all = new Tuning.Lora(3, 6, TinyModel.ALL);
    for (Tuning tuning :
        List.of(
            all,
            TinyModel.CHOICES,
            TinyModel.DORA,
            TinyModel.BESIDE,
            TinyModel.PISSA,
            TinyModel.VOCABULARY,
            TinyModel.TOKENS,
            new Tuning.LnTuning(List.of()),
            new Tuning.Partial(1, Optional.empty()),
            new Tuning.Partial(0, Optional.of("lm_head.weight")),
            new Tuning.Partial(0, Optional.of("model.embed_tokens.weight")),
            new Tuning.Full())) {
      compareRecomputed(deep, tuning);
    }
    TinyModel.METHODS.forEach(tuning -> compareRecomputed(deep, tuning));
  }

  /** Biases of the embedding's norm among them, and inputs that are dropped. */
  @Test
  void recompute_ofTrainedBiases_givesTheSameGradientAndTheSameSteps() {
    Path bloom =
        Path.of(
            System.getProperty("troupe.root"), "models/src/test/resources/golden/families/bloom");
    for (boolean dora : new boolean[] {false, true}) {
      compareRecomputed(
          bloom,
          new Tuning.Lora(
              2,
              6,
              List.of("all-linear"),
              false,
              0.3,
              dora,
              List.of(),
              Map.of(),
              Map.of(),
              Tuning.Lora.Start.KAIMING,
              Tuning.Lora.Bias.ALL));
    }
  }

  private static void compareRecomputed(Path deep, Tuning tuning) {
    Objective<One> objective = new Weighted(-1.0, 0.3, 0.7);
    List<One> examples = examples(5, 3);
    long handles = Handle.live();
    try (HybridEngines engines = new HybridEngines();
        HybridEngine kept =
            (HybridEngine) engines.open(TinyModel.role(deep, tuning, Head.VALUE, 0, false));
        HybridEngine again =
            (HybridEngine) engines.open(TinyModel.role(deep, tuning, Head.VALUE, 0, true))) {
      for (int step = 0; step < 3; step++) {
        float[] expected = kept.trainer().gradient(objective, examples);
        float[] found = again.trainer().gradient(objective, examples);
        assertThat(largestDifference(expected, found))
            .as(tuning + " step " + step)
            .isLessThan(1e-6 * largest(expected));
        assertThat(largest(expected)).isPositive();
        UpdateResult one = kept.update(objective, examples);
        UpdateResult other = again.update(objective, examples);
        assertThat(other.loss()).isCloseTo(one.loss(), within(1e-6));
        assertThat(other.gradientNorm()).isCloseTo(one.gradientNorm(), within(1e-6));
      }
    }
    assertThat(Handle.live()).isEqualTo(handles);
  }

  private static double largest(float[] values) {
    return largestDifference(values, new float[values.length]);
  }

  private static double largestDifference(float[] a, float[] b) {
    double largest = 0;
    for (int i = 0; i < a.length; i++) {
      largest = Math.max(largest, Math.abs(a[i] - (double) b[i]));
    }
    return largest;
  }

  @Test
  void save_withEveryChoice_isReadBack() {
    for (Tuning.Lora tuning : List.of(TinyModel.CHOICES, TinyModel.DORA)) {
      saveAndReadBack(model, tuning);
    }
  }

  @ParameterizedTest
  @EnumSource(Tuning.Lora.Bias.class)
  void save_withTrainedBiases_isReadBack(Tuning.Lora.Bias bias) {
    Path gpt2 =
        Path.of(
            System.getProperty("troupe.root"), "models/src/test/resources/golden/families/gpt2");
    saveAndReadBack(
        gpt2,
        new Tuning.Lora(
            2,
            6,
            List.of("c_attn", "c_fc"),
            false,
            0,
            false,
            List.of(),
            Map.of(),
            Map.of(),
            Tuning.Lora.Start.KAIMING,
            bias));
    try (SafetensorsFile file =
        SafetensorsFile.open(directory.resolve("saved/adapter_model.safetensors"))) {
      String prefix = "base_model.model.transformer.h.0.";
      assertThat(file.names().contains(prefix + "attn.c_attn.base_layer.bias"))
          .isEqualTo(bias != Tuning.Lora.Bias.NONE);
      assertThat(file.names().contains(prefix + "ln_1.bias"))
          .isEqualTo(bias == Tuning.Lora.Bias.ALL);
    }
  }

  @Test
  void save_ofWholeTensors_isReadBack() {
    for (Tuning tuning :
        List.of(
            TinyModel.BESIDE,
            TinyModel.PISSA,
            TinyModel.VOCABULARY,
            TinyModel.TOKENS,
            new Tuning.LnTuning(List.of("norm")),
            new Tuning.Partial(1, Optional.of("lm_head.weight")))) {
      saveAndReadBack(model, tuning);
    }
    TinyModel.METHODS.forEach(tuning -> saveAndReadBack(model, tuning));
    saveAndReadBack(
        Path.of(
            System.getProperty("troupe.root"), "models/src/test/resources/golden/families/gpt2"),
        new Tuning.Bitfit());
  }

  @Test
  void bitfit_ofAModelWithoutBiases_isRefused() {
    try (HybridEngines engines = new HybridEngines()) {
      RoleSpec spec = TinyModel.role(model, new Tuning.Bitfit(), Head.VALUE);
      assertThatThrownBy(() -> engines.open(spec))
          .isInstanceOf(EngineException.class)
          .hasMessage(
              "the tuning cannot be as configured: BitFit trains biases, and this LlamaForCausalLM has none; train its"
                  + " norms, or an adapter such as lora");
    }
  }

  private static boolean hasEncoder(Tuning tuning) {
    return tuning instanceof Tuning.PTuning
        || (tuning instanceof Tuning.Prefix prefix && prefix.encoder() > 0);
  }

  private void saveAndReadBack(Path model, Tuning tuning) {
    List<One> examples = examples(4, 2);
    List<Sequence> sequences = sequences(examples);
    Path saved = directory.resolve("saved");
    RoleSpec spec = TinyModel.role(model, tuning, Head.VALUE);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(spec)) {
      engine.update(new Weighted(-1.0, 0.3, 0.7), examples);
      engine.save(saved);
      RoleSpec frozen =
          new RoleSpec(
              "reference",
              model.toString(),
              Optional.of(saved.toString()),
              new Tuning.Frozen(),
              Head.VALUE,
              Optional.empty(),
              1,
              Optional.empty(),
              0);
      try (RoleEngine again = engines.open(frozen)) {
        Set<Output> outputs = EnumSet.allOf(Output.class);
        List<TokenOutputs> found = again.evaluate(sequences, outputs);
        List<TokenOutputs> expected = engine.evaluate(sequences, outputs);
        if (hasEncoder(tuning)) {
          // What is read is its output, rounded once.
          for (int i = 0; i < found.size(); i++) {
            assertThat(
                    largestDifference(
                        found.get(i).logprobs().values(), expected.get(i).logprobs().values()))
                .isLessThan(1e-5);
          }
        } else {
          assertThat(found).isEqualTo(expected);
        }
      }
      RoleSpec other =
          new RoleSpec(
              "policy",
              model.toString(),
              Optional.of(saved.toString()),
              new Tuning.Lora(3, 6, List.of("all-linear")),
              Head.VALUE,
              spec.optimizer(),
              1,
              Optional.empty(),
              0);
      assertThatThrownBy(() -> engines.open(other))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("is to go on from the adapter " + saved + ", which has ")
          .hasMessageEndingWith("the configuration asks for rank 3, alpha 6.0 on all-linear");
    }
  }

  @Test
  void targetThatTheModelHasNot_isNamedWithThoseThatItHas() {
    RoleSpec spec =
        TinyModel.role(model, new Tuning.Lora(3, 6, List.of("q_proj", "c_attn")), Head.VALUE);
    try (HybridEngines engines = new HybridEngines()) {
      assertThatThrownBy(() -> engines.open(spec))
          .isInstanceOf(EngineException.class)
          .hasMessage(
              "no linear layer 'c_attn' to adapt by LoRA in this LlamaForCausalLM; it has q_proj, k_proj, v_proj, o_proj, gate_proj,"
                  + " up_proj, down_proj: name those in the key targets, or all-linear");
    }
  }

  @Test
  void update_gradient_isThatOfFiniteDifferences() {
    for (Tuning tuning : List.of(lora(), new Tuning.Full())) {
      List<One> examples = examples(4, 2);
      Weighted objective = new Weighted(-1.0, 0.3, 0.7);
      try (Lanes lanes = new Lanes(2);
          HybridEngines engines = new HybridEngines(lanes);
          HybridEngine engine =
              (HybridEngine) engines.open(TinyModel.role(model, tuning, Head.VALUE))) {
        // A few steps first, so that LoRA's B is not zero.
        engine.update(objective, examples);
        engine.update(objective, examples);
        Trainer trainer = engine.trainer();
        GradientCheck check =
            new GradientCheck(
                trainer.parameters().floats(),
                trainer.gradient(objective, examples),
                point -> {
                  trainer.parameters().write(point);
                  return objective
                      .evaluate(
                          examples,
                          trainer.evaluate(sequences(examples), objective.needs()).stream()
                              .map(List::of)
                              .toList(),
                          new BatchTotals(
                              examples.size(),
                              sequences(examples).stream()
                                  .mapToLong(sequence -> sequence.reads().size())
                                  .sum()))
                      .loss();
                });
        assertThat(check.worstRelativeError(60, 1e-2, new Random(4)))
            .as("%s: worst difference as a share of the largest gradient", tuning)
            .isLessThan(2e-3);
      }
    }
  }

  @Test
  void update_microBatches_giveTheSameStep() {
    List<One> examples = examples(12, 3);
    List<UpdateResult> results = new ArrayList<>();
    for (int tokens : new int[] {2048, 20}) {
      try (HybridEngines engines = new HybridEngines();
          RoleEngine engine = engines.open(TinyModel.role(model, lora(), Head.VALUE, tokens))) {
        engine.update(new Weighted(-1, 0, 0.5), examples);
        results.add(engine.update(new Weighted(-1, 0, 0.5), examples));
      }
    }
    assertThat(results.get(1).loss()).isCloseTo(results.get(0).loss(), within(1e-6));
    assertThat(results.get(1).gradientNorm())
        .isCloseTo(results.get(0).gradientNorm(), within(1e-6));
  }

  @Test
  void checkpoint_restore_goesOnBitForBit() {
    List<One> examples = examples(8, 5);
    Weighted objective = new Weighted(-1, 0, 0);
    List<Double> straight = new ArrayList<>();
    try (HybridEngines engines = new HybridEngines()) {
      try (RoleEngine engine =
          engines.open(TinyModel.role(model, lora(), Head.LANGUAGE_MODEL, 40))) {
        for (int i = 0; i < 10; i++) {
          straight.add(engine.update(objective, examples).loss());
          if (i == 4) {
            engine.checkpoint(directory.resolve("state"));
          }
        }
      }
      try (RoleEngine engine =
          engines.open(TinyModel.role(model, lora(), Head.LANGUAGE_MODEL, 40))) {
        engine.restore(directory.resolve("state"));
        assertThat(engine.adapterVersion()).isEqualTo(5);
        for (int i = 5; i < 10; i++) {
          assertThat(engine.update(objective, examples).loss()).isEqualTo(straight.get(i));
        }
      }
    }
    assertThat(straight.get(9)).isLessThan(straight.get(0));
  }

  @Test
  void save_open_givesTheSameRole() {
    List<One> examples = examples(6, 6);
    Set<Output> outputs = EnumSet.of(Output.LOGPROBS, Output.VALUES);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(TinyModel.role(model, lora(), Head.VALUE))) {
      for (int i = 0; i < 3; i++) {
        engine.update(new Weighted(-1, 0, 1), examples);
      }
      engine.save(directory.resolve("adapter"));
      List<TokenOutputs> before = engine.evaluate(sequences(examples), outputs);
      var spec = engine.spec();
      var again =
          new dev.troupe.protocol.data.RoleSpec(
              "critic",
              spec.model(),
              java.util.Optional.of(directory.resolve("adapter").toString()),
              new Tuning.Frozen(),
              Head.VALUE,
              java.util.Optional.empty(),
              1.0,
              java.util.Optional.empty(),
              99);
      try (RoleEngine critic = engines.open(again)) {
        assertThat(critic.evaluate(sequences(examples), outputs)).isEqualTo(before);
      }
    }
  }

  @Test
  void update_gradientNotFinite_skipsAndReports() {
    List<One> examples = examples(3, 7);
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(TinyModel.role(model, lora(), Head.LANGUAGE_MODEL))) {
      List<TokenOutputs> before = engine.evaluate(sequences(examples), EnumSet.of(Output.LOGPROBS));
      UpdateResult result = engine.update(new Weighted(Double.NaN, 0, 0), examples);
      assertThat(result.applied()).isFalse();
      assertThat(engine.adapterVersion()).isZero();
      assertThat(engine.evaluate(sequences(examples), EnumSet.of(Output.LOGPROBS)))
          .isEqualTo(before);
    }
  }
}
