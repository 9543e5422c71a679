package dev.troupe.actors.role;

import dev.troupe.models.torch.Group;
import dev.troupe.models.torch.KernelException;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Shards;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.message.RoleWorker;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.IntToLongFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * By a group of Gloo's. In order: each sends every other its part of what it has, adds up its own
 * part of all in the order of the tree, and sends that to all; the same bytes as by messages. Fast:
 * each adds up what it has, and Gloo the rest.
 */
final class GlooCarrier implements Carrier {
  /** Numbers of the flat buffer that go at once, so that what is beside it stays small. */
  private static final int AT_ONCE = 1 << 20;

  private final Peers peers;
  private final Group group;
  private final boolean ordered;

  private GlooCarrier(Peers peers, Group group, boolean ordered) {
    this.peers = peers;
    this.group = group;
    this.ordered = ordered;
  }

  /** Of a replica, whose group is formed where there is none yet. */
  static GlooCarrier of(Peers peers, Groups.Membership membership, RoleWorker.Carriage carriage) {
    // What waits in Gloo is told by nobody else.
    peers.listen();
    return new GlooCarrier(
        peers, membership.of(carriage, peers.share(), peers), carriage.ordered());
  }

  @Override
  public Floats sum(PartialSums own) {
    float[] whole = new float[own.size()];
    for (int start = 0; start < whole.length; start += AT_ONCE) {
      int size = Math.min(AT_ONCE, whole.length - start);
      float[] sum = ordered ? ordered(own, start, size) : fast(own, start, size);
      System.arraycopy(sum, 0, whole, start, size);
    }
    return new Floats(whole);
  }

  private float[] ordered(PartialSums own, int start, int size) {
    Share share = peers.share();
    int[] counts = IntStream.range(0, share.of()).map(rank -> share.at(rank).count(size)).toArray();
    int[] froms =
        IntStream.range(0, share.of()).map(rank -> start + share.at(rank).from(size)).toArray();
    return all(piece(own, froms, counts), counts);
  }

  /**
   * This replica's part of the gradient, added up here, as each adds up its own.
   *
   * @param froms where the parts begin, by rank
   */
  private float[] piece(PartialSums own, int[] froms, int[] counts) {
    Share share = peers.share();
    List<Span> spans = share.of(own.whole());
    int count = counts[share.rank()];
    float[] parts =
        exchange(
            buffer -> {
              for (int rank = 0; rank < share.of(); rank++) {
                for (Span span : counts[rank] == 0 ? List.<Span>of() : spans) {
                  buffer.put(gradient(own, span), froms[rank], counts[rank]);
                }
              }
            },
            rank -> (long) spans.size() * counts[rank],
            rank -> (long) share.at(rank).of(own.whole()).size() * count);
    Map<Span, float[]> sums = new HashMap<>();
    int at = 0;
    for (int rank = 0; rank < share.of(); rank++) {
      for (Span span : share.at(rank).of(own.whole())) {
        sums.put(span, Arrays.copyOfRange(parts, at, at + count));
        at += count;
      }
    }
    return own.whole().sum(sums, Carrier::plus);
  }

  /** What all replicas have, one's behind the other's. */
  private float[] all(float[] own, int[] counts) {
    return exchange(
        buffer -> IntStream.range(0, counts.length).forEach(rank -> buffer.put(own)),
        rank -> own.length,
        rank -> counts[rank]);
  }

  @Override
  public Floats shard(PartialSums own, Shards shards) {
    int rank = peers.share().rank();
    float[] shard = new float[shards.count(rank)];
    int[] all = shards.numbersByRank();
    int[] starts = IntStream.range(0, all.length).map(shards::from).toArray();
    for (int done = 0; done < most(all); done += atOnce()) {
      int[] counts = window(all, done);
      int[] froms = plus(starts, done);
      System.arraycopy(
          piece(own, froms, counts), 0, shard, Math.min(done, shard.length), counts[rank]);
    }
    return new Floats(shard);
  }

  @Override
  public Floats gather(int number, Floats own, int[] all) {
    int rank = peers.share().rank();
    float[] whole = new float[IntStream.of(all).sum()];
    for (int done = 0; done < most(all); done += atOnce()) {
      int[] counts = window(all, done);
      int from = Math.min(done, own.size());
      float[] got = all(Arrays.copyOfRange(own.values(), from, from + counts[rank]), counts);
      int start = 0;
      int at = 0;
      for (int other = 0; other < all.length; other++) {
        System.arraycopy(got, at, whole, start + Math.min(done, all[other]), counts[other]);
        start += all[other];
        at += counts[other];
      }
    }
    return new Floats(whole);
  }

  /** Of each replica's part. */
  private int atOnce() {
    return AT_ONCE / peers.share().of();
  }

  private static int most(int[] counts) {
    return IntStream.of(counts).max().orElse(0);
  }

  /** How many numbers of each part go at once, behind those that have gone. */
  private int[] window(int[] counts, int done) {
    return IntStream.of(counts)
        .map(count -> Math.max(0, Math.min(atOnce(), count - done)))
        .toArray();
  }

  private static int[] plus(int[] starts, int more) {
    return IntStream.of(starts).map(start -> start + more).toArray();
  }

  private float[] fast(PartialSums own, int start, int size) {
    float[] sum = new float[size];
    for (Span span : peers.share().of(own.whole())) {
      float[] part = gradient(own, span);
      Carrier.plus(sum, Arrays.copyOfRange(part, start, start + size));
    }
    return attempt(() -> group.add(buffer -> buffer.put(sum), size, peers::check));
  }

  private static float[] gradient(PartialSums own, Span span) {
    PartialSums.Part part = own.sums().get(span);
    if (part == null) {
      throw new IllegalStateException("it has no sum of the micro-batches " + span);
    }
    return part.gradient().values();
  }

  /**
   * @param send how many numbers to each rank
   * @param receive how many from each
   */
  private float[] exchange(
      Consumer<FloatBuffer> numbers, IntToLongFunction send, IntToLongFunction receive) {
    int of = peers.share().of();
    return attempt(
        () ->
            group.exchange(
                numbers,
                IntStream.range(0, of).mapToLong(send).toArray(),
                IntStream.range(0, of).mapToLong(receive).toArray(),
                peers::check));
  }

  /** That a replica has ended is known by its connection first, and its name later. */
  private static <T> T attempt(Supplier<T> work) {
    try {
      return work.get();
    } catch (KernelException e) {
      throw Groups.failed(e);
    }
  }
}
