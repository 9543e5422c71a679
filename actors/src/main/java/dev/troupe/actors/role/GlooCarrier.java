package dev.troupe.actors.role;

import dev.troupe.models.torch.Group;
import dev.troupe.models.torch.KernelException;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
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
    List<Span> spans = share.of(own.whole());
    float[] parts =
        exchange(
            buffer -> {
              for (int rank = 0; rank < share.of(); rank++) {
                Share to = share.at(rank);
                for (Span span : spans) {
                  int from = to.from(size);
                  buffer.put(gradient(own, span), start + from, to.to(size) - from);
                }
              }
            },
            rank -> (long) spans.size() * share.at(rank).count(size),
            rank -> (long) share.at(rank).of(own.whole()).size() * share.count(size));
    Map<Span, float[]> sums = new HashMap<>();
    int at = 0;
    for (int rank = 0; rank < share.of(); rank++) {
      for (Span span : share.at(rank).of(own.whole())) {
        sums.put(span, Arrays.copyOfRange(parts, at, at + share.count(size)));
        at += share.count(size);
      }
    }
    float[] piece = own.whole().sum(sums, Carrier::plus);
    return exchange(
        buffer -> IntStream.range(0, share.of()).forEach(rank -> buffer.put(piece)),
        rank -> piece.length,
        rank -> share.at(rank).count(size));
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
