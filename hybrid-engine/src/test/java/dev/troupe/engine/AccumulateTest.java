package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.troupe.models.torch.Handle;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Gradients that add up before a step. */
class AccumulateTest {
  private static final int SMALL = 40;
  private static final StepSettings OWN = new StepSettings(3e-3, 0.8, 0.9, 1e-6, 0.1, 0.5);

  @TempDir Path directory;
  private Path model;

  private record One(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  /** Means over the step's tokens: of a · log-probability, and of b · value. */
  private record Mean(double a, double b) implements Objective<One> {
    @Override
    public Set<Output> needs() {
      return Set.of(Output.LOGPROBS, Output.VALUES);
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (List<TokenOutputs> of : outputs) {
        TokenOutputs output = of.get(0);
        float[] ofLogprobs = new float[output.logprobs().size()];
        float[] ofValues = new float[ofLogprobs.length];
        Arrays.fill(ofLogprobs, (float) (a / totals.reads()));
        Arrays.fill(ofValues, (float) (b / totals.reads()));
        for (int t = 0; t < ofLogprobs.length; t++) {
          loss += (a * output.logprobs().get(t) + b * output.values().get(t)) / totals.reads();
        }
        gradients.add(
            List.of(
                new TokenGradients(new Floats(ofLogprobs), Floats.EMPTY, new Floats(ofValues))));
      }
      return new LossGradient(loss, gradients, Map.of("examples", (double) examples.size()));
    }
  }

  private record Failing() implements Objective<One> {
    @Override
    public Set<Output> needs() {
      return Set.of(Output.LOGPROBS);
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      throw new IllegalArgumentException("fails on purpose");
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

  private RoleSpec spec() {
    return TinyModel.role(model, new Tuning.Lora(3, 6, TinyModel.ALL), Head.VALUE, SMALL);
  }

  private static float[] trained(RoleEngine engine) {
    return ((HybridEngine) engine).trainer().parameters().floats();
  }

  private static StepResult step(RoleEngine engine) {
    return engine.step(Optional.empty());
  }

  private static void close(float[] found, float[] expected) {
    assertThat(found).hasSize(expected.length);
    for (int i = 0; i < found.length; i++) {
      assertThat((double) found[i]).isCloseTo(expected[i], within(1e-6));
    }
  }

  @Test
  void update_isAccumulateAndStep_toTheBit() {
    List<One> examples = examples(9, 1);
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine one = engines.open(spec());
        RoleEngine other = engines.open(spec())) {
      for (int i = 0; i < 3; i++) {
        UpdateResult update = one.update(new Mean(-1, 0.5), examples);
        Accumulated accumulated =
            other.accumulate(new Mean(-1, 0.5), examples, BatchTotals.of(examples));
        assertThat(UpdateResult.of(accumulated, step(other))).isEqualTo(update);
        assertThat(accumulated.metrics()).isEqualTo(Map.of("examples", 9.0));
      }
      assertThat(trained(other)).containsExactly(trained(one));
    }
  }

  /** Three calls of different sizes, and other steps between two of them. */
  @Test
  void accumulate_inParts_withTheTotalsOfAll_isOneUpdate() {
    List<One> all = examples(12, 2);
    BatchTotals totals = BatchTotals.of(all);
    assertThat(totals)
        .isEqualTo(
            new BatchTotals(12, all.stream().mapToLong(e -> e.sequence().reads().size()).sum()));
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine whole = engines.open(spec());
        RoleEngine parts = engines.open(spec())) {
      for (int i = 0; i < 2; i++) {
        UpdateResult update = whole.update(new Mean(-1, 0.5), all);
        double loss = 0;
        loss += parts.accumulate(new Mean(-1, 0.5), all.subList(0, 1), totals).loss();
        loss += parts.accumulate(new Mean(-1, 0.5), all.subList(1, 8), totals).loss();
        parts.evaluate(List.of(all.get(0).sequence()), Set.of(Output.VALUES));
        loss += parts.accumulate(new Mean(-1, 0.5), all.subList(8, 12), totals).loss();
        StepResult step = step(parts);
        assertThat(loss).isCloseTo(update.loss(), within(1e-9 + 1e-6 * Math.abs(loss)));
        assertThat(step.gradientNorm()).isCloseTo(update.gradientNorm(), within(1e-6));
        assertThat(step.adapterVersion()).isEqualTo(update.adapterVersion());
      }
      close(trained(parts), trained(whole));
    }
  }

  @Test
  void accumulate_objectivesOfTwoKinds_isTheirSum() {
    List<One> examples = examples(8, 3);
    BatchTotals totals = BatchTotals.of(examples);
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine sum = engines.open(spec());
        RoleEngine apart = engines.open(spec())) {
      for (int i = 0; i < 2; i++) {
        UpdateResult update = sum.update(new Mean(-1, 0.5), examples);
        apart.accumulate(new Mean(-1, 0), examples, totals);
        apart.accumulate(new Mean(0, 0.5), examples, totals);
        assertThat(step(apart).gradientNorm()).isCloseTo(update.gradientNorm(), within(1e-6));
      }
      close(trained(apart), trained(sum));
    }
  }

  @Test
  void step_withoutAGradient_isRefused() {
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(spec())) {
      String refused =
          "a step was asked for and no gradient has been accumulated since the last one";
      assertThatThrownBy(() -> step(engine))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(refused);
      engine.update(new Mean(-1, 0), examples(2, 4));
      assertThatThrownBy(() -> step(engine)).hasMessage(refused);
      assertThat(engine.adapterVersion()).isEqualTo(1);
    }
  }

  /** What there was before is given up too: a step along a part of it would be a silent wrong. */
  @Test
  void accumulate_thatFails_givesUpAllOfTheStep_andFreesIt() {
    List<One> examples = examples(9, 5);
    BatchTotals totals = BatchTotals.of(examples);
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(spec())) {
      engine.update(new Mean(-1, 0), examples);
      float[] before = trained(engine);
      long handles = Handle.live();
      engine.accumulate(new Mean(-1, 0), examples, totals);
      assertThatThrownBy(() -> engine.accumulate(new Failing(), examples, totals))
          .hasMessage("fails on purpose");
      assertThatThrownBy(() -> step(engine))
          .hasMessageEndingWith("since the last one: accumulating failed: fails on purpose");
      assertThat(Handle.live()).isEqualTo(handles);
      assertThat(trained(engine)).containsExactly(before);
      assertThat(engine.update(new Mean(-1, 0), examples).applied()).isTrue();
    }
  }

  @Test
  void accumulate_moreThanTheWholeIsSaidToHave_isRefused() {
    List<One> examples = examples(3, 6);
    long reads = BatchTotals.of(examples).reads();
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(spec())) {
      for (BatchTotals wrong : List.of(new BatchTotals(2, reads), new BatchTotals(3, reads - 1))) {
        assertThatThrownBy(() -> engine.accumulate(new Mean(-1, 0), examples, wrong))
            .isInstanceOf(EngineException.class)
            .hasMessage(
                "a step is said to have "
                    + wrong.examples()
                    + " examples with "
                    + wrong.reads()
                    + " reads, and these alone are 3 with "
                    + reads);
      }
    }
  }

  @Test
  void unfinishedStep_isNotCheckpointedOrOverwritten_andARestoreGivesItUp() {
    List<One> examples = examples(4, 7);
    Path state = directory.resolve("state");
    try (HybridEngines engines = new HybridEngines();
        RoleEngine engine = engines.open(spec())) {
      engine.checkpoint(state);
      engine.accumulate(new Mean(-1, 0), examples, BatchTotals.of(examples));
      assertThatThrownBy(() -> engine.checkpoint(directory.resolve("other")))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "the policy has accumulated a gradient and not stepped along it, and is to write a"
                  + " checkpoint: step first");
      assertThat(directory.resolve("other")).doesNotExist();
      assertThatThrownBy(() -> engine.take(List.of(engine.parameters()), 9))
          .hasMessageEndingWith("and is to take other weights: step first");
      engine.restore(state);
      assertThatThrownBy(() -> step(engine)).isInstanceOf(IllegalStateException.class);
      engine.checkpoint(directory.resolve("other"));
    }
  }

  /** As an engine that has these settings in its spec. */
  @Test
  void step_withItsOwnSettings_takesThem_andTheScheduleGoesOn() {
    List<One> examples = examples(6, 8);
    BatchTotals totals = BatchTotals.of(examples);
    LearningRateSchedule rising =
        new LearningRateSchedule(LearningRateSchedule.Shape.LINEAR, 1e-2, 4, 8);
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine asked = engines.open(with(rising, 0.9, 0.95, 1e-8, 0, 1));
        RoleEngine has =
            engines.open(
                with(
                    new LearningRateSchedule(LearningRateSchedule.Shape.CONSTANT, 3e-3, 0, 8),
                    0.8,
                    0.9,
                    1e-6,
                    0.1,
                    0.5))) {
      asked.accumulate(new Mean(-1, 0.5), examples, totals);
      assertThat(asked.step(Optional.of(OWN)).learningRate()).isEqualTo(3e-3);
      has.update(new Mean(-1, 0.5), examples);
      assertThat(trained(asked)).containsExactly(trained(has));
      asked.accumulate(new Mean(-1, 0.5), examples, totals);
      assertThat(step(asked).learningRate()).isEqualTo(rising.at(1)).isEqualTo(5e-3);
    }
  }

  private RoleSpec with(
      LearningRateSchedule schedule,
      double beta1,
      double beta2,
      double epsilon,
      double decay,
      double clip) {
    RoleSpec spec = spec();
    return new RoleSpec(
        spec.name(),
        spec.model(),
        spec.adapter(),
        spec.tuning(),
        spec.head(),
        Optional.of(new OptimizerSettings(schedule, beta1, beta2, epsilon, decay, clip, SMALL)),
        1,
        Optional.empty(),
        spec.seed());
  }

  @Test
  void step_gradientNotFinite_isSkipped_andTheNextStepStartsAnew() {
    List<One> examples = examples(4, 9);
    BatchTotals totals = BatchTotals.of(examples);
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(spec())) {
      engine.accumulate(new Mean(Double.NaN, 0), examples, totals);
      engine.accumulate(new Mean(-1, 0), examples, totals);
      assertThat(step(engine).applied()).isFalse();
      assertThat(engine.update(new Mean(-1, 0), examples).applied()).isTrue();
      assertThat(engine.adapterVersion()).isEqualTo(1);
    }
  }

  /** With the same dropout in both calls the sum would be twice the one. */
  @Test
  void accumulate_twice_dropsDifferentInputs() {
    List<One> examples = examples(4, 10);
    BatchTotals totals = BatchTotals.of(examples);
    RoleSpec spec = TinyModel.role(model, TinyModel.CHOICES, Head.VALUE, 4096);
    try (Lanes lanes = new Lanes(1);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine once = engines.open(spec);
        RoleEngine twice = engines.open(spec)) {
      // LoRA's B starts as 0, and then what A is given says nothing.
      once.update(new Mean(-1, 0), examples);
      twice.update(new Mean(-1, 0), examples);
      assertThat(trained(twice)).containsExactly(trained(once));
      once.accumulate(new Mean(-1, 0), examples, totals);
      double norm = step(once).gradientNorm();
      twice.accumulate(new Mean(-1, 0), examples, totals);
      twice.accumulate(new Mean(-1, 0), examples, totals);
      assertThat(Math.abs(step(twice).gradientNorm() - 2 * norm)).isGreaterThan(1e-3 * norm);
    }
  }
}
