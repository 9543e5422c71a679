package dev.troupe.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.troupe.models.torch.Lanes;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.BatchTotals;
import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.LossGradient;
import dev.troupe.protocol.data.Objective;
import dev.troupe.protocol.data.Output;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.data.TokenGradients;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.protocol.data.TokenOutputs;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.data.UpdateResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What training comes to does not depend on how many lanes or replicas share it: to the bit. */
class LanesTest {
  private static final int SMALL = 60;
  private static final int STEPS = 4;
  private static final Set<Output> ALL = Set.of(Output.LOGPROBS, Output.VALUES);

  @TempDir Path directory;
  private Path model;

  record Text(Sequence sequence) implements Example {
    @Override
    public List<Sequence> sequences() {
      return List.of(sequence);
    }
  }

  record Likelihood() implements Objective<Text> {
    @Override
    public Set<Output> needs() {
      return ALL;
    }

    @Override
    public LossGradient evaluate(
        List<Text> examples, List<List<TokenOutputs>> outputs, BatchTotals totals) {
      double loss = 0;
      List<List<TokenGradients>> gradients = new ArrayList<>();
      for (List<TokenOutputs> output : outputs) {
        float[] logprobs = new float[output.get(0).logprobs().size()];
        Arrays.fill(logprobs, -1f / totals.reads());
        float[] values = output.get(0).values().values().clone();
        for (int i = 0; i < values.length; i++) {
          loss += (0.5 * values[i] * values[i] - output.get(0).logprobs().get(i)) / totals.reads();
          values[i] /= totals.reads();
        }
        gradients.add(
            List.of(new TokenGradients(new Floats(logprobs), Floats.EMPTY, new Floats(values))));
      }
      return new LossGradient(loss, gradients, Map.of("loss", loss));
    }
  }

  /** All that an engine came to. */
  private record Trained(
      List<UpdateResult> updates, Floats parameters, List<TokenOutputs> evaluated) {}

  @BeforeEach
  void writeModel() {
    model = TinyModel.write(directory.resolve("model"), TinyModel.DEEP);
  }

  private static List<Text> texts(int count, long seed) {
    Random random = new Random(seed);
    List<Text> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] tokens = random.ints(5 + random.nextInt(40), 0, TinyModel.DEEP.vocabSize()).toArray();
      out.add(new Text(Sequence.ofTargets(new TokenIds(tokens), 3)));
    }
    return out;
  }

  private static Trained trained(RoleSpec spec, int count) {
    try (Lanes lanes = new Lanes(count);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(spec)) {
      List<UpdateResult> updates = new ArrayList<>();
      for (int step = 0; step < STEPS; step++) {
        updates.add(engine.update(new Likelihood(), batch(step)));
      }
      return new Trained(updates, engine.parameters(), engine.evaluate(others(), ALL));
    }
  }

  private static List<Text> batch(int step) {
    return texts(9 + 8 * step, step);
  }

  private static List<Sequence> others() {
    return texts(23, 99).stream().map(Text::sequence).toList();
  }

  /** What replicas have, in the place of messages. */
  private static final class Table {
    private final PartialSums[] own;
    private final CyclicBarrier all;

    Table(int count) {
      own = new PartialSums[count];
      all = new CyclicBarrier(count);
    }

    PartialSums.Part whole(int rank, PartialSums sums) {
      own[rank] = sums;
      await();
      Map<Span, PartialSums.Part> parts = new HashMap<>();
      for (PartialSums one : own) {
        parts.putAll(one.sums());
      }
      await();
      return sums.whole().sum(parts, Table::plus);
    }

    private void await() {
      try {
        all.await(60, TimeUnit.SECONDS);
      } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
        throw new IllegalStateException(e);
      }
    }

    private static PartialSums.Part plus(PartialSums.Part one, PartialSums.Part other) {
      float[] sum = one.gradient().values().clone();
      for (int i = 0; i < sum.length; i++) {
        sum[i] += other.gradient().get(i);
      }
      return new PartialSums.Part(one.figures().plus(other.figures()), new Floats(sum));
    }
  }

  private static Trained replica(RoleSpec spec, Share share, Table table) {
    try (Lanes lanes = new Lanes(1 + share.rank() % 2);
        HybridEngines engines = new HybridEngines(lanes);
        RoleEngine engine = engines.open(spec)) {
      List<UpdateResult> updates = new ArrayList<>();
      for (int step = 0; step < STEPS; step++) {
        List<Text> batch = batch(step);
        Accumulated accumulated =
            engine.accumulate(
                new Likelihood(),
                batch,
                BatchTotals.of(batch),
                share,
                own -> table.whole(share.rank(), own));
        updates.add(UpdateResult.of(accumulated, engine.step(Optional.empty())));
      }
      return new Trained(
          updates,
          engine.parameters(),
          List.copyOf(engine.evaluate(others(), ALL, share).values()));
    }
  }

  private static void assertSameInReplicas(RoleSpec spec, Trained one, int count) {
    Table table = new Table(count);
    List<CompletableFuture<Trained>> replicas =
        IntStream.range(0, count)
            .mapToObj(
                rank ->
                    CompletableFuture.supplyAsync(
                        () -> replica(spec, new Share(rank, count), table),
                        task -> new Thread(task).start()))
            .toList();
    int evaluated = 0;
    for (CompletableFuture<Trained> replica : replicas) {
      Trained found = replica.join();
      assertThat(found.updates()).as("%d replicas", count).isEqualTo(one.updates());
      assertThat(found.parameters()).as("%d replicas", count).isEqualTo(one.parameters());
      assertThat(one.evaluated()).containsAll(found.evaluated());
      evaluated += found.evaluated().size();
    }
    assertThat(evaluated).isEqualTo(one.evaluated().size());
  }

  private static void assertSameOnAnyNumber(RoleSpec spec) {
    Trained one = trained(spec, 1);
    assertThat(one.updates()).allMatch(UpdateResult::applied);
    for (int count : new int[] {2, 3, 5}) {
      Trained many = trained(spec, count);
      assertThat(many.updates()).as("%d lanes", count).isEqualTo(one.updates());
      assertThat(many.evaluated()).as("%d lanes", count).isEqualTo(one.evaluated());
      assertThat(many.parameters()).as("%d lanes", count).isEqualTo(one.parameters());
    }
    assertSameInReplicas(spec, one, 2);
    assertSameInReplicas(spec, one, 3);
  }

  @Test
  void lora_withDropout_padded() {
    assertSameOnAnyNumber(TinyModel.role(model, TinyModel.CHOICES, Head.VALUE, SMALL));
  }

  @Test
  void everyWeight_packed() {
    RoleSpec spec = TinyModel.role(model, new Tuning.Full(), Head.VALUE, SMALL);
    assertSameOnAnyNumber(spec.with(spec.optimizer().orElseThrow().packing(true)));
  }

  @Test
  void everyWeight_computedAgain_inMicroBatchesOfTheEnginesChoice() {
    assertSameOnAnyNumber(TinyModel.role(model, new Tuning.Full(), Head.VALUE, 0, true));
  }
}
