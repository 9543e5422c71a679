package dev.troupe.actors.role;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.troupe.actors.trust.Authority;
import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.pekko.actor.testkit.typed.javadsl.ActorTestKit;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Replicas that do sums, and exchange them: all carriers are held to the same. */
@Timeout(60)
class ExchangeTest {
  private static final ActorTestKit KIT = ActorTestKit.create();

  private final List<Exchange> exchanges = new ArrayList<>();
  private final List<ActorRef<RoleWorker.Command>> replicas = new ArrayList<>();
  private final List<ActorRef<RoleWorker.Command>> exchangers = new ArrayList<>();
  private final CompletableFuture<RoleWorker.Reply> lost = new CompletableFuture<>();
  private static final Duration LONGEST = Duration.ofSeconds(30);

  /** Each waits for the others: of one of few threads they would wait for ever. */
  private final ExecutorService threads = Executors.newCachedThreadPool();

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
      memberships.add(membership());
    }
  }

  /** How a test's replicas exchange. */
  enum By {
    MESSAGES,
    GLOO
  }

  private static final Authority AUTHORITY = Authority.create("test", Duration.ofHours(1));

  /** Each by rank; closed by the test's end. */
  private final List<Groups.Membership> memberships = new ArrayList<>();

  private Groups.Membership membership() {
    return new Groups.Membership(
        Groups.of("127.0.0.1", AUTHORITY.issue("node", Duration.ofHours(1))));
  }

  @AfterEach
  void close() {
    memberships.forEach(Groups.Membership::close);
    threads.shutdownNow();
  }

  private Peers peers(int rank, long number, RoleWorker.Carriage carriage) {
    exchanges.get(rank).begin(number);
    return new Peers(
        new RoleWorker.Together(new Share(rank, replicas.size()), replicas, number, carriage),
        exchanges.get(rank),
        exchangers.get(rank),
        KIT.system(),
        lost);
  }

  private CompletableFuture<PartialSums.Part> whole(By by, int rank, long number, PartialSums own) {
    return whole(
        new RoleWorker.Carriage(by == By.GLOO, true, 1, LONGEST.toMillis()), rank, number, own);
  }

  /** On a thread of its own, as a replica does. */
  private CompletableFuture<PartialSums.Part> whole(
      RoleWorker.Carriage carriage, int rank, long number, PartialSums own) {
    return CompletableFuture.supplyAsync(
        () -> {
          Peers peers = peers(rank, number, carriage);
          return peers.whole(
              own,
              carriage.byGloo()
                  ? GlooCarrier.of(peers, memberships.get(rank), carriage)
                  : new MessageCarrier(peers));
        },
        threads);
  }

  private static void assume(By by) {
    if (by == By.GLOO) {
      String lacks =
          Groups.of("127.0.0.1", AUTHORITY.issue("node", Duration.ofHours(1))).carries().lacks();
      assumeTrue(lacks.isEmpty(), lacks);
    }
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
    "MESSAGES, 2, 2, 1001",
    "MESSAGES, 2, 7, 1",
    "MESSAGES, 3, 5, 1000",
    "MESSAGES, 4, 9, 77",
    "MESSAGES, 3, 1, 10",
    "MESSAGES, 4, 2, 3",
    "MESSAGES, 2, 3, 1048579",
    "GLOO, 2, 2, 1001",
    "GLOO, 2, 7, 1",
    "GLOO, 3, 5, 1000",
    "GLOO, 4, 9, 77",
    "GLOO, 3, 1, 10",
    "GLOO, 4, 2, 3",
    "GLOO, 2, 3, 1048579"
  })
  void everyReplica_comesToTheBitsOfOne(By by, int count, int microBatches, int size)
      throws Exception {
    assume(by);
    open(count);
    Random random = new Random(microBatches);
    for (long number = 1; number <= 2; number++) {
      Map<Span, PartialSums.Part> each = drawn(random, microBatches, size);
      Span span = new Span(0, microBatches);
      PartialSums.Part expected = span.sum(each, ExchangeTest::plus);
      List<CompletableFuture<PartialSums.Part>> found = new ArrayList<>();
      for (int rank = 0; rank < count; rank++) {
        found.add(whole(by, rank, number, own(new Share(rank, count), span, each)));
      }
      for (CompletableFuture<PartialSums.Part> one : found) {
        assertThat(one.get()).isEqualTo(expected);
      }
    }
  }

  /** In Gloo's order: the same to a rounding, and to the bit on every replica. */
  @Test
  void fast_isTheSameOnEveryReplica_andTheSumToARounding() throws Exception {
    assume(By.GLOO);
    open(3);
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 7, 5000);
    Span span = new Span(0, 7);
    List<CompletableFuture<PartialSums.Part>> found = new ArrayList<>();
    for (int rank = 0; rank < 3; rank++) {
      found.add(
          whole(
              new RoleWorker.Carriage(true, false, 1, LONGEST.toMillis()),
              rank,
              1,
              own(new Share(rank, 3), span, each)));
    }
    PartialSums.Part expected = span.sum(each, ExchangeTest::plus);
    PartialSums.Part first = found.get(0).get();
    assertThat(found.get(1).get()).isEqualTo(first);
    assertThat(found.get(2).get()).isEqualTo(first);
    assertThat(first.figures()).isEqualTo(expected.figures());
    for (int i = 0; i < 5000; i++) {
      double largest = 0;
      for (PartialSums.Part part : each.values()) {
        largest = Math.max(largest, Math.abs(part.gradient().get(i)));
      }
      assertThat((double) first.gradient().get(i))
          .isCloseTo(expected.gradient().get(i), within(7 * largest * 0x1p-23));
    }
  }

  @ParameterizedTest
  @EnumSource(By.class)
  void aReplicaThatFails_failsTheOthersWithItsWords(By by) {
    assume(by);
    open(2);
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    Span span = new Span(0, 4);
    CompletableFuture<PartialSums.Part> first = whole(by, 0, 1, own(new Share(0, 2), span, each));
    exchanges.get(1).begin(1);
    exchanges.get(1).fail(new RoleWorker.Failed("the policy-2 is out of memory", true));
    assertThatThrownBy(first::join)
        .isInstanceOf(CompletionException.class)
        .hasCauseInstanceOf(RoleException.class)
        .hasRootCauseMessage("the policy-2 is out of memory");
  }

  @ParameterizedTest
  @EnumSource(By.class)
  void aReplicaThatEnds_isNotWaitedFor(By by) {
    assume(by);
    open(2);
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    CompletableFuture<PartialSums.Part> first =
        whole(by, 0, 1, own(new Share(0, 2), new Span(0, 4), each));
    lost.complete(new RoleWorker.Failed("the replica ended", false));
    assertThatThrownBy(first::join).hasRootCauseMessage("the replica ended");
  }

  /** The first replica in its second exchange, in which the other has told its figures alone. */
  private CompletableFuture<PartialSums.Part> inTheMiddle(By by) {
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    Span span = new Span(0, 4);
    List<CompletableFuture<PartialSums.Part>> before = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      before.add(whole(by, rank, 1, own(new Share(rank, 2), span, each)));
    }
    before.forEach(CompletableFuture::join);
    CompletableFuture<PartialSums.Part> first = whole(by, 0, 2, own(new Share(0, 2), span, each));
    exchanges.get(1).begin(2);
    Map<Span, Accumulated> figures = new HashMap<>();
    own(new Share(1, 2), span, each).sums().forEach((of, part) -> figures.put(of, part.figures()));
    exchanges.get(1).put(figures);
    return first;
  }

  /** It has said what it has, and ends before its gradient has come. */
  @ParameterizedTest
  @EnumSource(By.class)
  void aReplicaThatEndsInTheMiddle_isNotWaitedFor(By by) {
    assume(by);
    open(2);
    CompletableFuture<PartialSums.Part> first = inTheMiddle(by);
    assertThat(first).isNotDone();
    lost.complete(new RoleWorker.Failed("the replica ended", false));
    assertThatThrownBy(first::join).hasRootCauseMessage("the replica ended");
  }

  /** What it failed by comes by messages: its connection may stay as it is. */
  @ParameterizedTest
  @EnumSource(By.class)
  void aReplicaThatFailsInTheMiddle_failsTheOthersWithItsWords(By by) {
    assume(by);
    open(2);
    CompletableFuture<PartialSums.Part> first = inTheMiddle(by);
    exchanges.get(1).fail(new RoleWorker.Failed("the policy-2 is out of memory", true));
    assertThatThrownBy(first::join).hasRootCauseMessage("the policy-2 is out of memory");
  }

  /** Of another run: it is not let in, and nobody waits for ever. */
  @Test
  void aReplicaOfAnotherRun_isRefused() {
    assume(By.GLOO);
    open(2);
    memberships.set(
        1,
        new Groups.Membership(
            Groups.of(
                "127.0.0.1",
                Authority.create("other", Duration.ofHours(1))
                    .issue("node", Duration.ofHours(1)))));
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    Span span = new Span(0, 4);
    RoleWorker.Carriage carriage = new RoleWorker.Carriage(true, true, 1, 3000);
    List<CompletableFuture<PartialSums.Part>> both = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      both.add(whole(carriage, rank, 1, own(new Share(rank, 2), span, each)));
    }
    for (CompletableFuture<PartialSums.Part> one : both) {
      assertThatThrownBy(one::join)
          .hasCauseInstanceOf(RoleException.class)
          .rootCause()
          .message()
          .startsWith("the exchange of gradients between its replicas (cluster.exchange) failed: ");
    }
  }

  @Test
  void anOlderExchange_isNoMore() {
    open(2);
    exchanges.get(1).begin(3);
    Map<Span, PartialSums.Part> each = drawn(new Random(1), 4, 10);
    assertThatThrownBy(
            () -> whole(By.MESSAGES, 0, 2, own(new Share(0, 2), new Span(0, 4), each)).join())
        .hasRootCauseMessage("it is at exchange 3, and was asked of exchange 2");
  }
}
