package dev.troupe.protocol.kryo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.esotericsoftware.kryo.kryo5.KryoException;
import com.sun.management.ThreadMXBean;
import com.typesafe.config.ConfigFactory;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Episode;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LearningRateSchedule;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Numerics;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.OptimizerSettings;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.Prompt;
import dev.troupe.protocol.data.Quantisation;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.protocol.data.SamplingSettings;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.data.StepResult;
import dev.troupe.protocol.data.StepSettings;
import dev.troupe.protocol.data.Storage;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleStatus;
import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.protocol.message.Wire;
import java.io.NotSerializableException;
import java.lang.management.ManagementFactory;
import java.lang.reflect.RecordComponent;
import java.nio.BufferOverflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.javadsl.Adapter;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.serialization.SerializationExtension;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class WireSerializerTest {
  private static final Sequence SEQUENCE = Sequence.ofTargets(TokenIds.of(1, 300, 70_000), 1);

  private static ActorSystem<Void> system;
  private static WireSerializer serializer;
  private static List<Wire> samples;

  /** What a module other than protocol contributes. */
  public static final class TestRegistrations implements KryoRegistrations {
    @Override
    public List<Class<?>> classes() {
      return List.of(One.class, Half.class);
    }
  }

  record One(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  record Half(double coefficient) implements Objective<One> {
    @Override
    public Set<Output> needs() {
      return Set.of();
    }

    @Override
    public LossGradient evaluate(
        List<One> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      return new LossGradient(coefficient, List.of(), Map.of());
    }
  }

  record Stranger(String text) implements Wire {}

  @BeforeAll
  static void start() throws NotSerializableException {
    system =
        ActorSystem.create(
            Behaviors.empty(),
            "wire",
            ConfigFactory.parseMap(
                    Map.of(
                        "troupe.kryo.registrations",
                        List.of(TestRegistrations.class.getName()),
                        "pekko.loglevel",
                        "WARNING"))
                .withFallback(ConfigFactory.load()));
    serializer =
        (WireSerializer)
            SerializationExtension.get(Adapter.toClassic(system))
                .serializerFor(RoleWorker.Load.class);
    samples = samples();
  }

  @AfterAll
  static void stop() {
    system.terminate();
  }

  private static <T> ActorRef<T> reference(String name) {
    return system.systemActorOf(Behaviors.<T>empty(), name, Props.empty());
  }

  private static List<Wire> samples() {
    ActorRef<RoleWorker.Reply> asker = reference("asker");
    ActorRef<Node.Reply> nodeAsker = reference("node-asker");
    Prompt prompt = new Prompt("p-1", "Wie geht's? ☺", TokenIds.of(0, 1, 127, 128, 65_535));
    RoleWorker.Together together =
        new RoleWorker.Together(
            new Share(1, 2),
            List.of(reference("first"), reference("second")),
            1L << 40,
            new RoleWorker.Carriage(true, false, 3, 3_600_000));
    RoleWorker.FiguresOf figures =
        new RoleWorker.FiguresOf(new Span(0, 1), new Accumulated(0.5, Map.of("loss", 0.5)));
    List<RoleWorker.Work> works = new ArrayList<>();
    works.add(new RoleWorker.Load());
    works.add(
        new RoleWorker.Generate(
            List.of(prompt, prompt, prompt),
            8,
            new SamplingSettings(64, 0.7, 50, 0.95, List.of("\n", "###"), Long.MIN_VALUE)));
    works.add(new RoleWorker.Evaluate(List.of(SEQUENCE), List.of(Output.values())));
    works.add(
        new RoleWorker.Accumulate<>(
            new Half(0.5),
            new ArrayList<>(List.of(new One(SEQUENCE))),
            new BatchTotals(3, 1L << 40)));
    works.add(
        new RoleWorker.EvaluateShare(
            List.of(SEQUENCE), List.of(Output.values()), new Share(2, 300)));
    works.add(
        new RoleWorker.AccumulateShare<>(
            new Half(0.5),
            new ArrayList<>(List.of(new One(SEQUENCE))),
            new BatchTotals(3, 1L << 40),
            together));
    works.add(new RoleWorker.Fingerprint());
    works.add(new RoleWorker.Carry());
    works.add(new RoleWorker.Step(Optional.empty()));
    works.add(new RoleWorker.Step(Optional.of(new StepSettings(1e-4, 0.9, 0.95, 1e-8, 0.1, 1))));
    works.add(new RoleWorker.StepShare(Optional.empty(), together));
    works.add(new RoleWorker.Save("runs/a/policy"));
    works.add(new RoleWorker.SaveShare("runs/a/policy", together));
    works.add(new RoleWorker.Checkpoint("runs/a/checkpoints"));
    works.add(new RoleWorker.Restore("runs/a/checkpoints"));
    works.add(new RoleWorker.Lend(2));
    works.add(new RoleWorker.Take(reference("lender"), 3, 10, 2));

    List<Wire> all = new ArrayList<>(works);
    works.forEach(work -> all.add(new RoleWorker.Request(work, asker)));
    all.add(new RoleWorker.Stop(asker));
    all.add(new RoleWorker.Fetch(3, 9, asker));
    all.add(new RoleWorker.Lent(3, 10));
    all.add(new RoleWorker.Fetched(Floats.of(0.5f, -1)));
    all.add(new RoleWorker.FetchSum(1L << 40, new Span(2, 700), 70_000, 1 << 20, asker));
    all.add(new RoleWorker.FetchFigures(7, asker));
    all.add(new RoleWorker.FetchAddress(7, asker));
    all.add(new RoleWorker.FetchEnd(7, asker));
    all.add(new RoleWorker.Address("72 00ff"));
    all.add(together.carriage());
    all.add(new RoleWorker.Carries("", "00c0ffee"));
    all.add(together);
    all.add(figures);
    all.add(new RoleWorker.Figures(List.of(figures)));
    all.add(new RoleWorker.EvaluatedShare(List.of(0, 300), List.of()));
    all.add(new RoleWorker.Fingerprinted("9 bytes, 00c0ffee", "0123456789abcdef"));
    for (FinishReason reason : FinishReason.values()) {
      all.add(
          new RoleWorker.Generated(
              List.of(
                  new Rollout(
                      prompt,
                      TokenIds.of(5),
                      "gut",
                      Floats.of(-0.5f, Float.MIN_VALUE, Float.NEGATIVE_INFINITY, Float.NaN),
                      reason,
                      7)),
              reason == FinishReason.EOS));
    }
    for (Episode.End end : Episode.End.values()) {
      Episode episode =
          new Episode(
              TokenIds.of(0, 3),
              2,
              1,
              1,
              "3+4 is 7",
              end == Episode.End.DONE ? OptionalDouble.of(-0.5) : OptionalDouble.empty(),
              Map.of("moves", 2.0),
              end,
              end == Episode.End.FAILED
                  ? Optional.of(new Episode.Failure("threw", "no route"))
                  : Optional.empty());
      all.add(
          new RoleWorker.Generated(
              List.of(
                  new Rollout(
                      prompt,
                      TokenIds.of(5, 6, 7, 8),
                      "7",
                      Floats.of(-0.5f, -1),
                      FinishReason.EOS,
                      7,
                      Optional.of(episode))),
              false));
    }
    all.add(
        new RoleWorker.Evaluated(
            Stream.of(new TokenOutputs(Floats.of(-1), Floats.EMPTY, Floats.of(2, 3))).toList()));
    for (Map<String, Double> metrics :
        List.of(
            Map.<String, Double>of(),
            Map.of("loss", 1.0),
            Map.of("loss", 1.0, "kl", Double.NaN),
            new HashMap<>(Map.of("a", 1.0)),
            new TreeMap<>(Map.of("b", 2.0)))) {
      all.add(new RoleWorker.Gradient(new Accumulated(0.1, metrics)));
    }
    all.add(new RoleWorker.Stepped(new StepResult(2, 1e-4, true, 3)));
    all.add(new RoleWorker.Finished());
    all.add(new RoleWorker.Failed("the policy on 127.0.0.1:7000 failed: out of memory", false));
    all.add(new RoleStatus("policy", "n", "busy", "train", 4, Map.of("base", 1L << 40), Map.of()));
    all.add(new Node.Introduce(nodeAsker));
    all.add(
        new Node.Introduced(
            "n", List.of("policy", "critic", "a"), 4, 1, List.of("a.B(int c)"), reference("node")));
    for (Tuning tuning :
        List.of(
            new Tuning.Frozen(),
            new Tuning.Full(),
            new Tuning.Bitfit(),
            new Tuning.Ia3(List.of("k_proj"), List.of("k_proj")),
            new Tuning.Loha(2, 3, List.of("q_proj"), List.of(1), Map.of("a", 1), Map.of("b", 0.5)),
            new Tuning.Lokr(
                2, 3, List.of("q_proj"), List.of(1), 4, true, Map.of("a", 1), Map.of("b", 0.5)),
            new Tuning.Oft(8, List.of("q_proj"), List.of(1), 5),
            new Tuning.Vera(4, 0.1, 1L << 40, List.of("q_proj"), List.of(1)),
            new Tuning.Boft(4, List.of("q_proj"), List.of(1)),
            new Tuning.Prefix(3, 8, false),
            new Tuning.Prompt(3, Tuning.Prompt.Beginning.TEXT, "Answer:"),
            new Tuning.PTuning(3, 8),
            new Tuning.Adalora(6, 3, 8, List.of("q_proj"), List.of(1), 5, 10, 2, 0.85, 0.9, 0.5),
            new Tuning.LnTuning(List.of("norm")),
            new Tuning.Partial(2, Optional.of("lm_head.weight")),
            new Tuning.Lora(8, 16, List.of("q_proj", "v_proj", "o_proj")),
            new Tuning.Lora(
                8,
                16,
                List.of("all-linear"),
                true,
                0.1,
                false,
                List.of(0, 3),
                Map.of("q_proj", 4, "k_proj", 2),
                Map.of("o_proj", 0.5),
                Tuning.Lora.Start.GAUSSIAN,
                Tuning.Lora.Bias.LORA_ONLY))) {
      for (LearningRateSchedule.Shape shape : LearningRateSchedule.Shape.values()) {
        all.add(
            new Node.Open(
                new RoleSpec(
                    "critic",
                    "models/base",
                    tuning instanceof Tuning.Full ? Optional.empty() : Optional.of("runs/a/sft"),
                    tuning,
                    shape == LearningRateSchedule.Shape.LINEAR ? Head.VALUE : Head.LANGUAGE_MODEL,
                    Optional.of(
                        new OptimizerSettings(
                            new LearningRateSchedule(shape, 1e-4, 10, 100),
                            0.9,
                            0.95,
                            1e-8,
                            0.1,
                            1,
                            4096)),
                    0.7,
                    Optional.of(0.99),
                    42,
                    new Numerics(Storage.BF16, Storage.INT8, Numerics.Kernels.NATIVE)
                        .with(Numerics.Cache.BF16)
                        .strict(Numerics.Strict.AUTO)
                        .exact(true)
                        .on(new Quantisation(Storage.NF4, 64, true))),
                new Node.Terms(3, 1000),
                reference("listener-" + all.size()),
                nodeAsker));
      }
    }
    all.add(new Node.Opened(reference("worker"), "n"));
    all.add(new Node.Terms(3, 1000));
    all.add(new Node.Report(reference("refusals")));
    all.add(new Node.Refused("n", "refused a connection"));
    all.add(new Node.Leave());
    all.add(new Node.Dismiss("is a stranger"));
    return all;
  }

  static Stream<Wire> eachSample() {
    return samples.stream();
  }

  @ParameterizedTest
  @MethodSource("eachSample")
  void roundTrip_bytes_equal(Wire message) throws NotSerializableException {
    assertThat(serializer.fromBinary(serializer.toBinary(message))).isEqualTo(message);
  }

  @ParameterizedTest
  @MethodSource("eachSample")
  void roundTrip_buffer_equal(Wire message) throws NotSerializableException {
    ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
    buffer.position(13);
    serializer.toBinary(message, buffer);
    buffer.flip().position(13);
    assertThat(serializer.fromBinary(buffer, "")).isEqualTo(message);
    assertThat(buffer.remaining()).isZero();
  }

  /** Bytes as they are, and behind a good message's beginning. */
  @Test
  void fromBinary_noise_isRefusedWithoutTakingMemory() {
    long seed = 20261129;
    Random random = new Random(seed);
    for (int trial = 0; trial < 40_000; trial++) {
      byte[] noise = new byte[1 + random.nextInt(300)];
      random.nextBytes(noise);
      if (trial % 2 == 0) {
        noise[0] = (byte) (random.nextInt(80) * 2); // a small class number, whatever Kryo's format
      }
      byte[] good = serializer.toBinary(samples.get(random.nextInt(samples.size())));
      byte[] bytes = trial % 3 == 0 ? noise : good;
      if (trial % 3 != 0) {
        for (int i = 0; i < 1 + trial % 4; i++) {
          bytes[random.nextInt(bytes.length)] = noise[i % noise.length];
        }
      }
      assertThat(allocatedBy(bytes, trial % 2 == 0))
          .as("seed %d, trial %d", seed, trial)
          .isLessThan(1 << 20);
    }
  }

  /** Also where the length is the first thing that a reader meets. */
  @Test
  void fromBinary_hugeLengths_areRefusedBeforeAllocation() {
    for (int number = 0; number < 200; number++) {
      for (int padding = 0; padding < 3; padding++) {
        ByteBuffer bytes = ByteBuffer.allocate(12);
        bytes.put((byte) ((number & 0x7f) | (number > 127 ? 0x80 : 0)));
        if (number > 127) {
          bytes.put((byte) (number >> 7));
        }
        bytes.put(new byte[padding]);
        bytes.put(new byte[] {(byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, 7});
        assertThat(allocatedBy(bytes.array(), false)).as("class %d", number).isLessThan(1 << 20);
      }
    }
  }

  @Test
  void fromBinary_nestedWithoutEnd_isRefused() {
    byte[] nested = new byte[1 << 16];
    for (int i = 0; i < nested.length; i += 2) {
      nested[i] = 20 + 2; // a list
      nested[i + 1] = 1; // of one
    }
    assertThatThrownBy(() -> serializer.fromBinary(nested))
        .isInstanceOf(KryoException.class)
        .hasMessageContaining("depth");
  }

  private static long allocatedBy(byte[] bytes, boolean direct) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    try {
      if (direct) {
        serializer.fromBinary(ByteBuffer.allocateDirect(bytes.length).put(bytes).flip(), "");
      } else {
        serializer.fromBinary(bytes);
      }
    } catch (RuntimeException e) {
      // refused
    }
    return threads.getCurrentThreadAllocatedBytes() - before;
  }

  @Test
  void samples_coverEveryMessageOfTheProtocols() {
    Set<Class<?>> sampled = new HashSet<>();
    samples.forEach(sample -> sampled.add(sample.getClass()));
    List<Class<?>> permitted =
        Stream.of(RoleWorker.class, Node.class)
            .flatMap(protocol -> Stream.of(protocol.getDeclaredClasses()))
            .filter(type -> type.isRecord())
            .<Class<?>>map(type -> type)
            .toList();
    assertThat(permitted).hasSizeGreaterThanOrEqualTo(19).allMatch(Wire.class::isAssignableFrom);
    assertThat(sampled).containsAll(permitted).contains(RoleStatus.class);
  }

  @Test
  void samples_coverEveryRegisteredClass() {
    Set<Class<?>> seen = new HashSet<>();
    samples.forEach(sample -> collect(sample, seen));
    List<Class<?>> never = new ArrayList<>(new ProtocolRegistrations().classes());
    never.addAll(new TestRegistrations().classes());
    never.removeAll(seen);
    assertThat(never).isEmpty();
  }

  private static void collect(Object value, Set<Class<?>> seen) {
    seen.add(value instanceof Enum<?> constant ? constant.getDeclaringClass() : value.getClass());
    if (value instanceof Optional<?> optional) {
      optional.ifPresent(element -> collect(element, seen));
    } else if (value instanceof List<?> list) {
      list.forEach(element -> collect(element, seen));
    } else if (value instanceof Record) {
      for (RecordComponent component : value.getClass().getRecordComponents()) {
        try {
          component.getAccessor().setAccessible(true);
          collect(component.getAccessor().invoke(value), seen);
        } catch (ReflectiveOperationException e) {
          throw new LinkageError(e.getMessage(), e);
        }
      }
    }
  }

  @Test
  void toBinary_classThatNobodyRegistered_isRefusedByName() throws NotSerializableException {
    assertThatThrownBy(() -> serializer.toBinary(new Stranger("x")))
        .hasMessageContaining("Class is not registered: " + Stranger.class.getName());
    // The refusal leaves nothing behind.
    assertThat(serializer.fromBinary(serializer.toBinary(new RoleWorker.Load())))
        .isEqualTo(new RoleWorker.Load());
  }

  @Test
  void toBinary_bufferTooSmall_overflowsAsPekkoExpects() {
    assertThatThrownBy(
            () -> serializer.toBinary(new RoleWorker.Save("a".repeat(99)), ByteBuffer.allocate(16)))
        .isInstanceOf(BufferOverflowException.class);
  }

  @Test
  void ids_areCompact() {
    TokenIds small = new TokenIds(new int[1000]);
    byte[] bytes =
        serializer.toBinary(
            new RoleWorker.Evaluate(
                List.of(new Sequence(small, TokenIds.EMPTY)), List.of(Output.LOGPROBS)));
    assertThat(bytes).hasSizeBetween(1000, 1020);
  }
}
