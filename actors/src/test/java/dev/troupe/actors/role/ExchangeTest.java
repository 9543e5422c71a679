package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.message.RoleWorker;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Replicas that do sums, and exchange them by messages. */
@Timeout(60)
class ExchangeTest {
  private static final ActorTestKit KIT = ActorTestKit.create();

  private final List<Exchange> exchanges = new ArrayList<>();
  private final List<ActorRef<RoleWorker.Command>> replicas = new ArrayList<>();
  private final List<ActorRef<RoleWorker.Command>> exchangers = new ArrayList<>();
  private final CompletableFuture<RoleWorker.Reply> lost = new CompletableFuture<>();

  @AfterAll
  static void stop() {
    KIT.shutdownTestKit();
  }

  private void open(int count) {
    for (int i = 0; i < count; i++) {
      Exchange exchange = new Exchange();
      exchanges.add(exchange);
      CompletableFuture<ActorRef<RoleWorker.Command>> exchanger = new CompletableFuture<>();
      replicas.add(
          KIT.spawn(
              Behaviors.setup(
                  context -> {
                    exchanger.complete(ExchangeActor.spawn(context, exchange));
                    return Behaviors.empty();
                  })));
      exchangers.add(exchanger.join());
    }
  }

  private MessageCarrier carrier(int rank, long number) {
    exchanges.get(rank).begin(number);
    return new MessageCarrier(
        new RoleWorker.Together(new Share(rank, replicas.size()), replicas, number),
        exchanges.get(rank),
        exchangers.get(rank),
        KIT.system(),
        lost);
  }

  private CompletableFuture<PartialSums.Part> whole(int rank, long number, PartialSums own) {
    return CompletableFuture.supplyAsync(() -> carrier(rank, number).whole(own));
  }

  private static PartialSums.Part plus(PartialSums.Part one, PartialSums.Part other) {
    float[] sum = one.gradient().values().clone();
    for (int i = 0; i < sum.length; i++) {
      sum[i] += other.gradient().get(i);
    }
    return new PartialSums.Part(one.figures().plus(other.figures()), new Floats(sum));
  }

  private static Map<Span, PartialSums.Part> drawn(Random random, int microBatches, int size) {
    Map<Span, PartialSums.Part> each = new HashMap<>();
    for (int i = 0; i < microBatches; i++) {
      float[] gradient = new float[size];
      for (int k = 0; k < size; k++) {
        gradient[k] = (float) (random.nextGaussian() * Math.exp(8 * random.nextGaussian()));
      }
      double loss = random.nextGaussian();
      each.put(
          new Span(i, i + 1),
          new PartialSums.Part(
              new Accumulated(loss, Map.of("loss", loss, "of-" + i, 1.0)), new Floats(gradient)));
    }
    return each;
  }

  private static PartialSums own(Share share, Span whole, Map<Span, PartialSums.Part> each) {
    Map<Span, PartialSums.Part> sums = new HashMap<>();
    share.of(whole).forEach(span -> sums.put(span, span.sum(each, ExchangeTest::plus)));
    int size = each.get(new Span(0, 1)).gradient().size();
    return new PartialSums(whole, size, sums);
  }

  /** The numbers are such that another order of additions gives other bits. */
  @ParameterizedTest
  @CsvSource({
    "2, 2, 1001",
    "2, 7, 1",
    "3, 5, 1000",
    "4, 9, 77",
    "3, 1, 10",
    "4, 2, 3",
    "2, 3, 2097155"
  })
  void everyReplica_comesToTheBitsOfOne(int count, int microBatches, int size) throws Exception {
    open(count);
    Random random = new Random(microBatches);
    for (long number = 1; number <= 2; number++) {
      Map<Span, PartialSums.Part> each = drawn(random, microBatches, size);
      Span span = new Span(0, microBatches);
      PartialSums.Part expected = span.sum(each, ExchangeTest::plus);
      List<CompletableFuture<PartialSums.Part>> found = new ArrayList<>();
      for (int rank = 0; rank < count; rank++) {
        found.add(whole(rank, number, own(new Share(rank, count), span, each)));
      }
      for (CompletableFuture<PartialSums.Part> one : found) {
        assertThat(one.get()).isEqualTo(expected);
      }
    }
  }

  @Test
  void aReplicaThatFails_failsTheOthersWithItsWords() {
    open(2);
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    Span span = new Span(0, 4);
    CompletableFuture<PartialSums.Part> first = whole(0, 1, own(new Share(0, 2), span, each));
    exchanges.get(1).begin(1);
    exchanges.get(1).fail(new RoleWorker.Failed("the policy-2 is out of memory", true));
    assertThatThrownBy(first::join)
        .isInstanceOf(CompletionException.class)
        .hasCauseInstanceOf(RoleException.class)
        .hasRootCauseMessage("the policy-2 is out of memory");
  }

  @Test
  void aReplicaThatEnds_isNotWaitedFor() {
    open(2);
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    CompletableFuture<PartialSums.Part> first =
        whole(0, 1, own(new Share(0, 2), new Span(0, 4), each));
    lost.complete(new RoleWorker.Failed("the replica ended", false));
    assertThatThrownBy(first::join).hasRootCauseMessage("the replica ended");
  }

  @Test
  void anOlderExchange_isNoMore() {
    open(2);
    exchanges.get(1).begin(3);
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    assertThatThrownBy(() -> whole(0, 2, own(new Share(0, 2), new Span(0, 4), each)).join())
        .hasRootCauseMessage("it is at exchange 3, and was asked of exchange 2");
  }
}
