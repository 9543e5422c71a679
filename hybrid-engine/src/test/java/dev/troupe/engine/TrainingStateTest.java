package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.checkpoint.CheckpointException;
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
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a role keeps, gives away and takes up again; and that its steps are the same bits. */
final class TrainingStateTest {
  private static final Set<Output> LOGPROBS_AND_VALUES = EnumSet.of(Output.LOGPROBS, Output.VALUES);

  private static final Tuning LORA = new Tuning.Lora(3, 6, TinyModel.ALL);

  @TempDir Path directory;
  private Path model;

  private record One(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  /** Mean over the reads of value²/2 - logprob. */
  private record Mixed() implements Objective<One> {
    @Override
    public Set<Output> needs() {
      return LOGPROBS_AND_VALUES;
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (List<TokenOutputs> output : outputs) {
        float[] logprobs = output.get(0).logprobs().values();
        float[] values = output.get(0).values().values();
        float[] down = new float[logprobs.length];
        float[] slope = new float[values.length];
        Arrays.fill(down, -1f / totals.reads());
        for (int i = 0; i < values.length; i++) {
          loss += (values[i] * values[i] / 2 - logprobs[i]) / totals.reads();
          slope[i] = values[i] / totals.reads();
        }
        gradients.add(
            List.of(new TokenGradients(new Floats(down), Floats.EMPTY, new Floats(slope))));
      }
      return new LossGradient(loss, gradients, Map.of());
    }
  }

  /** Fails in the micro-batch that holds a certain example. */
  private record Failing(One on) implements Objective<One> {
    @Override
    public Set<Output> needs() {
      return LOGPROBS_AND_VALUES;
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      if (examples.contains(on)) {
        throw new IllegalStateException("objective fails on purpose");
      }
      return new Mixed().evaluate(examples, outputs, totals);
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

  static List<Named<Tuning>> tunings() {
    return List.of(
        Named.of("full", new Tuning.Full()),
        Named.of("lora", LORA),
        Named.of("beside", TinyModel.BESIDE),
        Named.of("pissa", TinyModel.PISSA),
        Named.of("vocabulary", TinyModel.VOCABULARY),
        Named.of("tokens", TinyModel.TOKENS),
        Named.of("ln-tuning", new Tuning.LnTuning(List.of())),
        Named.of("partial", new Tuning.Partial(1, Optional.of("lm_head.weight"))),
        Named.of("ia3", TinyModel.METHODS.get(1)),
        Named.of("loha", TinyModel.METHODS.get(2)),
        Named.of("lokr", TinyModel.METHODS.get(3)),
        Named.of("oft", TinyModel.METHODS.get(4)),
        Named.of("vera", TinyModel.METHODS.get(6)),
        Named.of("prefix", TinyModel.METHODS.get(8)),
        Named.of("adalora", TinyModel.METHODS.get(12)));
  }

  /** A critic whose parameters are also averaged; batches of 40 tokens, so that lanes have work. */
  private RoleSpec critic(Tuning tuning) {
    RoleSpec spec = TinyModel.role(model, tuning, Head.VALUE, 40);
    return new RoleSpec(
        "critic",
        spec.model(),
        Optional.empty(),
        spec.tuning(),
        Head.VALUE,
        spec.optimizer(),
        0.9,
        Optional.of(0.8),
        3);
  }

  private RoleSpec frozen(Path from) {
    return new RoleSpec(
        "reward",
        model.toString(),
        Optional.of(from.toString()),
        new Tuning.Frozen(),
        Head.VALUE,
        Optional.empty(),
        0.9,
        Optional.empty(),
        99);
  }

  private static float[] trained(RoleEngine engine) {
    return ((HybridEngine) engine).trainer().parameters().floats();
  }

  private static void steps(RoleEngine engine, int from, int to) {
    for (int i = from; i < to; i++) {
      engine.update(new Mixed(), examples(9, i));
    }
  }

  private static List<TokenOutputs> outputs(RoleEngine engine) {
    return engine.evaluate(
        examples(7, 100).stream().map(One::sequence).toList(), LOGPROBS_AND_VALUES);
  }

  @ParameterizedTest
  @MethodSource("tunings")
  void checkpoint_restore_tenAndTenStepsAreTwenty(Tuning tuning) {
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes)) {
      float[] straight;
      float[] average;
      try (HybridEngine engine = (HybridEngine) engines.open(critic(tuning))) {
        steps(engine, 0, 10);
        engine.checkpoint(directory.resolve("state"));
        steps(engine, 10, 20);
        straight = trained(engine);
        average = engine.trainer().adam().orElseThrow().average().orElseThrow();
      }
      try (HybridEngine engine = (HybridEngine) engines.open(critic(tuning))) {
        engine.restore(directory.resolve("state"));
        steps(engine, 10, 20);
        assertThat(engine.adapterVersion()).isEqualTo(20);
        assertThat(trained(engine)).containsExactly(straight);
        assertThat(engine.trainer().adam().orElseThrow().average().orElseThrow())
            .containsExactly(average)
            .isNotEqualTo(straight);
      }
    }
  }

  /** Of 100 steps. */
  @Test
  void adalora_ofTooFewStepsOrInShards_isRefused() {
    Tuning tuning =
        new Tuning.Adalora(4, 2, 6, TinyModel.ALL, List.of(), 30, 70, 3, 0.85, 0.85, 0.5);
    try (HybridEngines engines = new HybridEngines()) {
      assertThatThrownBy(() -> engines.open(critic(tuning)))
          .hasMessage(
              "AdaLoRA shares out its ranks between its first 30 and its last 70 steps, and the"
                  + " critic is trained for 100; lower first-steps or last-steps, or train longer");
      RoleSpec shard = critic(TinyModel.METHODS.get(12)).with(new Share(0, 2));
      assertThatThrownBy(() -> engines.open(shard))
          .hasMessage(
              "AdaLoRA shares out its ranks by all of the parameters' means, and each replica of the"
                  + " critic is to hold a shard of such state; let cluster.sharding be none, or"
                  + " tuning.type lora");
    }
  }

  @ParameterizedTest
  @MethodSource("tunings")
  void save_openedFrozen_givesTheSameNumbers_emaBesideIt(Tuning tuning) {
    try (HybridEngines engines = new HybridEngines()) {
      List<TokenOutputs> expected;
      float[] average;
      float[] initial;
      try (HybridEngine engine = (HybridEngine) engines.open(critic(tuning))) {
        initial = trained(engine);
        steps(engine, 0, 5);
        expected = outputs(engine);
        average = engine.trainer().adam().orElseThrow().average().orElseThrow();
        engine.save(directory.resolve("saved"));
        assertThat(trained(engine)).isNotEqualTo(initial);
      }
      try (RoleEngine reward = engines.open(frozen(directory.resolve("saved")))) {
        assertThat(outputs(reward)).isEqualTo(expected);
      }
      try (RoleEngine reward = engines.open(frozen(directory.resolve("saved/ema")))) {
        assertThat(outputs(reward)).isNotEqualTo(expected);
      }
      RoleSpec spec = critic(tuning);
      RoleSpec fromAverage =
          new RoleSpec(
              spec.name(),
              spec.model(),
              Optional.of(directory.resolve("saved/ema").toString()),
              spec.tuning(),
              spec.head(),
              spec.optimizer(),
              spec.temperature(),
              spec.emaDecay(),
              spec.seed());
      try (RoleEngine again = engines.open(fromAverage)) {
        assertThat(trained(again)).containsExactly(average);
      }
    }
  }

  @Test
  void open_frozenValuesWithoutHead_saysWhatIsMissing() {
    try (HybridEngines engines = new HybridEngines()) {
      long before = Handle.live();
      assertThatThrownBy(() -> engines.open(frozen(model)))
          .isInstanceOf(EngineException.class)
          .hasMessageContaining("the reward")
          .hasMessageContaining(model.toString())
          .hasMessageContaining("no value head");
      assertThat(Handle.live()).as("the base is freed again").isEqualTo(before);
    }
  }

  @Test
  void restore_ofAnotherConfiguration_isRefusedAndChangesNothing() {
    try (HybridEngines engines = new HybridEngines()) {
      Path state = directory.resolve("state");
      RoleSpec plain = TinyModel.role(model, LORA, Head.VALUE, 40);
      try (RoleEngine engine = engines.open(plain)) {
        steps(engine, 0, 1);
        engine.checkpoint(state);
      }
      try (RoleEngine engine = engines.open(critic(LORA))) {
        float[] before = trained(engine);
        assertThatThrownBy(() -> engine.restore(state))
            .isInstanceOf(CheckpointException.class)
            .hasMessageContaining("moving average");
        assertThat(trained(engine)).containsExactly(before);
        assertThat(engine.adapterVersion()).isZero();
      }
      RoleSpec smaller =
          TinyModel.role(model, new Tuning.Lora(2, 6, TinyModel.ALL), Head.VALUE, 40);
      try (RoleEngine engine = engines.open(smaller)) {
        assertThatThrownBy(() -> engine.restore(state))
            .isInstanceOf(CheckpointException.class)
            .hasMessageContaining("another configuration");
      }
    }
  }

  @Test
  void update_objectiveFails_freesEverythingAndGoesOn() {
    List<One> all = examples(9, 1);
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(critic(LORA))) {
      steps(engine, 0, 1);
      float[] before = trained(engine);
      long handles = Handle.live();
      for (One example : all) {
        assertThatThrownBy(() -> engine.update(new Failing(example), all))
            .hasMessage("objective fails on purpose");
      }
      assertThat(Handle.live()).isEqualTo(handles);
      assertThat(trained(engine)).containsExactly(before);
      assertThat(engine.adapterVersion()).isEqualTo(1);
      steps(engine, 1, 2);
      assertThat(engine.adapterVersion()).isEqualTo(2);
    }
  }

  @Test
  void update_sameStepsTwice_sameBits() {
    try (Lanes lanes = new Lanes(3);
        HybridEngines engines = new HybridEngines(lanes)) {
      List<float[]> results = new ArrayList<>();
      for (int i = 0; i < 2; i++) {
        try (RoleEngine engine = engines.open(critic(LORA))) {
          steps(engine, 0, 20);
          results.add(trained(engine));
        }
      }
      assertThat(results.get(1)).containsExactly(results.get(0));
    }
  }

  @Test
  void update_twoRolesAtOnce_sameBitsAsOneAfterTheOther() {
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes)) {
      List<float[]> apart = new ArrayList<>();
      for (Tuning tuning : List.of(LORA, new Tuning.Full())) {
        try (RoleEngine engine = engines.open(critic(tuning))) {
          steps(engine, 0, 15);
          apart.add(trained(engine));
        }
      }
      try (RoleEngine lora = engines.open(critic(LORA));
          RoleEngine full = engines.open(critic(new Tuning.Full()))) {
        CompletableFuture<Void> other = CompletableFuture.runAsync(() -> steps(lora, 0, 15));
        steps(full, 0, 15);
        other.join();
        assertThat(trained(lora)).containsExactly(apart.get(0));
        assertThat(trained(full)).containsExactly(apart.get(1));
      }
    }
  }

  @Test
  void close_lastRole_freesTheBase() {
    long before = Handle.live();
    try (HybridEngines engines = new HybridEngines()) {
      RoleEngine first = engines.open(critic(LORA));
      long one = Handle.live();
      RoleEngine second = engines.open(critic(LORA));
      assertThat(Handle.live() - one)
          .as("the second role shares the base")
          .isLessThan(one - before);
      first.close();
      outputs(second);
      second.close();
      assertThat(Handle.live()).isEqualTo(before);
    }
  }
}
