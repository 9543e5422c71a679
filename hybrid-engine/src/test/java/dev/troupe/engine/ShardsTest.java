package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.models.checkpoint.CheckpointException;
import dev.troupe.models.checkpoint.SafetensorsFile;
import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Shards;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Replicas that hold a shard of the optimiser's state each come to what one that holds all does.
 */
class ShardsTest {
  private static final Path MODEL =
      Path.of(System.getProperty("troupe.root"), "configs/quickstart-base");
  private static final int SMALL = 60;

  @TempDir Path directory;

  /** What replicas tell one another, in the place of a carrier. */
  private static final class Table {
    private final Object[] told;
    private final CyclicBarrier all;

    Table(int count) {
      told = new Object[count];
      all = new CyclicBarrier(count);
    }

    private <T> List<T> tell(int rank, T own, Class<T> type) {
      told[rank] = own;
      await();
      List<T> said = Arrays.stream(told).map(type::cast).toList();
      await();
      return said;
    }

    PartialSums.Part shard(int rank, PartialSums own) {
      Map<Span, PartialSums.Part> parts = new HashMap<>();
      tell(rank, own, PartialSums.class).forEach(one -> parts.putAll(one.sums()));
      PartialSums.Part whole = own.whole().sum(parts, Table::plus);
      Shards shards = new Shards(own.size(), told.length);
      return new PartialSums.Part(
          whole.figures(),
          new Floats(
              Arrays.copyOfRange(whole.gradient().values(), shards.from(rank), shards.to(rank))));
    }

    Floats all(int rank, Floats own, int[] counts) {
      float[] whole = new float[IntStream.of(counts).sum()];
      int at = 0;
      for (Floats one : tell(rank, own, Floats.class)) {
        System.arraycopy(one.values(), 0, whole, at, one.size());
        at += one.size();
      }
      return new Floats(whole);
    }

    private static PartialSums.Part plus(PartialSums.Part one, PartialSums.Part other) {
      float[] sum = one.gradient().values().clone();
      for (int i = 0; i < sum.length; i++) {
        sum[i] += other.gradient().get(i);
      }
      return new PartialSums.Part(one.figures().plus(other.figures()), new Floats(sum));
    }

    private void await() {
      try {
        all.await(60, TimeUnit.SECONDS);
      } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static RoleSpec everyWeight() {
    RoleSpec spec = TinyModel.role(MODEL, new Tuning.Full(), Head.VALUE, SMALL);
    return new RoleSpec(
        spec.name(),
        spec.model(),
        spec.adapter(),
        spec.tuning(),
        spec.head(),
        spec.optimizer(),
        spec.temperature(),
        Optional.of(0.9),
        spec.seed());
  }

  private static List<LanesTest.Text> batch(int step) {
    Random random = new Random(step);
    return IntStream.range(0, 7 + step)
        .mapToObj(i -> random.ints(5 + random.nextInt(30), 0, 512).toArray())
        .map(tokens -> new LanesTest.Text(Sequence.ofTargets(new TokenIds(tokens), 3)))
        .toList();
  }

  private static UpdateResult step(RoleEngine engine, int step) {
    return engine.update(new LanesTest.Likelihood(), batch(step));
  }

  private static UpdateResult step(RoleEngine engine, int step, int rank, Table table) {
    List<LanesTest.Text> batch = batch(step);
    Accumulated accumulated =
        engine.accumulate(
            new LanesTest.Likelihood(),
            batch,
            BatchTotals.of(batch),
            engine.spec().shard(),
            own -> table.shard(rank, own));
    return UpdateResult.of(
        accumulated, engine.step(Optional.empty(), (own, counts) -> table.all(rank, own, counts)));
  }

  /** One result of each replica. */
  private static <T> List<T> replicas(
      RoleSpec spec, int count, BiFunction<RoleEngine, Table, T> work) {
    Table table = new Table(count);
    return IntStream.range(0, count)
        .mapToObj(
            rank ->
                CompletableFuture.supplyAsync(
                    () -> {
                      try (Lanes lanes = new Lanes(1);
                          HybridEngines engines = new HybridEngines(lanes);
                          RoleEngine engine = engines.open(spec.with(new Share(rank, count)))) {
                        return work.apply(engine, table);
                      }
                    },
                    task -> new Thread(task).start()))
        .toList()
        .stream()
        .map(CompletableFuture::join)
        .toList();
  }

  private static <T> T alone(RoleSpec spec, BiFunction<RoleEngine, Table, T> work) {
    try (Lanes lanes = new Lanes(2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(spec)) {
      return work.apply(engine, new Table(1));
    }
  }

  private record Trained(List<UpdateResult> updates, Floats parameters) {}

  private static Trained trained(RoleEngine engine, int from, int to) {
    List<UpdateResult> updates = new ArrayList<>();
    for (int i = from; i < to; i++) {
      updates.add(step(engine, i));
    }
    return new Trained(updates, engine.parameters());
  }

  private static Trained trained(RoleEngine engine, int from, int to, Table table) {
    int rank = engine.spec().shard().rank();
    List<UpdateResult> updates = new ArrayList<>();
    for (int i = from; i < to; i++) {
      updates.add(step(engine, i, rank, table));
    }
    return new Trained(updates, engine.parameters());
  }

  @Test
  void everyWeight_inFourShards_takenUpByOthers_isToTheBitWhatOneComesTo() throws Exception {
    RoleSpec spec = everyWeight();
    Path whole = directory.resolve("whole");
    Path saved = directory.resolve("saved");
    Trained early = alone(spec, (engine, table) -> trained(engine, 0, 2));
    Trained late =
        alone(
            spec,
            (engine, table) -> {
              trained(engine, 0, 2);
              engine.checkpoint(whole);
              Trained rest = trained(engine, 2, 4);
              engine.save(saved);
              return rest;
            });
    Path shards = directory.resolve("shards");
    assertThat(
            replicas(
                spec,
                4,
                (engine, table) -> {
                  Trained own = trained(engine, 0, 2, table);
                  engine.checkpoint(shards);
                  return own;
                }))
        .allMatch(early::equals);
    assertThat(shards).isDirectoryContaining("glob:**/engine_state-00003-of-00004.safetensors");
    for (Path from : List.of(shards, whole)) {
      for (int count : new int[] {1, 2, 3}) {
        Path again = directory.resolve("saved-" + from.getFileName() + count);
        assertThat(
                replicas(
                    spec,
                    count,
                    (engine, table) -> {
                      engine.restore(from);
                      Trained own = trained(engine, 2, 4, table);
                      int rank = engine.spec().shard().rank();
                      engine.save(
                          rank == 0 ? Optional.of(again) : Optional.empty(),
                          (mine, counts) -> table.all(rank, mine, counts));
                      return own;
                    }))
            .as("%d replicas from %s", count, from)
            .allMatch(late::equals);
        for (String file : List.of("model.safetensors", "ema/model.safetensors")) {
          assertThat(again.resolve(file)).hasSameBinaryContentAs(saved.resolve(file));
        }
      }
    }
  }

  /**
   * Beside it is nothing that a replica holds of the state; its first and last have other sizes.
   */
  @Test
  void stateOfFour_isAQuarterOfOnes() {
    RoleSpec spec = everyWeight();
    BiFunction<RoleEngine, Table, Long> held =
        (engine, table) -> {
          trained(engine, 0, 1, table);
          List<LanesTest.Text> batch = batch(1);
          int rank = engine.spec().shard().rank();
          engine.accumulate(
              new LanesTest.Likelihood(),
              batch,
              BatchTotals.of(batch),
              engine.spec().shard(),
              own -> table.shard(rank, own));
          return engine.memoryBytes().get("optimizer");
        };
    long all = alone(spec, held);
    assertThat(replicas(spec, 4, held))
        .allMatch(bytes -> bytes <= 0.30 * all)
        .satisfies(bytes -> assertThat(bytes.stream().mapToLong(it -> it).sum()).isEqualTo(all));
  }

  /** The bounds of shards lie within parts of the buffer that have a rate of their own. */
  @Test
  void loraPlus_isToTheBitWhatOneComesTo() {
    Tuning.Lora lora =
        new Tuning.Lora(
            48,
            48,
            TinyModel.ALL,
            false,
            0,
            false,
            List.of(),
            Map.of(),
            Map.of(),
            Tuning.Lora.Start.KAIMING,
            Tuning.Lora.Bias.NONE,
            List.of(),
            8,
            0,
            false,
            List.of());
    RoleSpec spec = TinyModel.role(MODEL, lora, Head.VALUE, SMALL);
    Trained one = alone(spec, (engine, table) -> trained(engine, 0, 3));
    assertThat(new Shards(one.parameters().size(), 3).chunks()).isGreaterThan(3);
    for (int count : new int[] {2, 3}) {
      assertThat(replicas(spec, count, (engine, table) -> trained(engine, 0, 3, table)))
          .allMatch(one::equals);
    }
  }

  /** Fewer chunks than replicas: some have nothing to step along. */
  @Test
  void smallerThanAChunk_isSteppedAlongByOne() {
    Path model = TinyModel.write(directory.resolve("model"), TinyModel.CONFIG);
    RoleSpec spec = TinyModel.role(model, TinyModel.CHOICES, Head.VALUE, SMALL);
    List<LanesTest.Text> batch =
        List.of(new LanesTest.Text(Sequence.ofTargets(TokenIds.of(1, 2, 3, 4), 1)));
    UpdateResult one =
        alone(spec, (engine, table) -> engine.update(new LanesTest.Likelihood(), batch));
    Path written = directory.resolve("written");
    assertThat(
            replicas(
                spec,
                3,
                (engine, table) -> {
                  int rank = engine.spec().shard().rank();
                  Accumulated accumulated =
                      engine.accumulate(
                          new LanesTest.Likelihood(),
                          batch,
                          BatchTotals.of(batch),
                          engine.spec().shard(),
                          own -> table.shard(rank, own));
                  UpdateResult result =
                      UpdateResult.of(
                          accumulated,
                          engine.step(
                              Optional.empty(), (own, counts) -> table.all(rank, own, counts)));
                  engine.checkpoint(written);
                  table.tell(rank, rank, Integer.class);
                  engine.restore(written);
                  return result;
                }))
        .allMatch(one::equals);
  }

  @Test
  void aShardThatIsMissing_orOfAnotherCheckpoint_isNamed() throws Exception {
    RoleSpec spec = everyWeight();
    Path shards = directory.resolve("shards");
    replicas(
        spec,
        2,
        (engine, table) -> {
          engine.checkpoint(shards);
          return 0;
        });
    Path second = shards.resolve("engine_state-00002-of-00002.safetensors");
    Path aside = directory.resolve("aside");
    Files.move(second, aside);
    assertRefused(
        spec,
        shards,
        " was written by 2 replicas (cluster.sharding), and shard 2 of them,"
            + " engine_state-00002-of-00002.safetensors, is missing; there are"
            + " engine_state-00001-of-00002.safetensors. Put it back, or resume from an earlier"
            + " checkpoint");
    replicas(
        spec,
        2,
        (engine, table) -> {
          trained(engine, 0, 1, table);
          engine.checkpoint(directory.resolve("later"));
          return 0;
        });
    Files.copy(directory.resolve("later").resolve(second.getFileName()), second);
    assertRefused(spec, shards, "they are of different checkpoints");
    Files.copy(aside, shards.resolve("engine_state-00003-of-00003.safetensors"));
    assertRefused(spec, shards, "shards of different numbers of replicas");
    try (SafetensorsFile file = SafetensorsFile.open(aside)) {
      assertThat(file.names()).contains("parameters", "adam.first", "ema");
    }
  }

  private static void assertRefused(RoleSpec spec, Path from, String why) {
    assertThatThrownBy(
            () ->
                alone(
                    spec,
                    (engine, table) -> {
                      engine.restore(from);
                      return 0;
                    }))
        .isInstanceOf(CheckpointException.class)
        .hasMessageContaining(why);
  }
}
