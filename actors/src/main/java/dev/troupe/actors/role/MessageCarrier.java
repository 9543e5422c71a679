package dev.troupe.actors.role;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Shards;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/**
 * By messages. The flat buffer is cut into as many consecutive pieces as there are replicas. Each
 * fetches its own piece of what the others have, adds it all up and puts it where the others fetch
 * it: with the parts of a tree that are as many as replicas, each sends and receives twice the
 * buffer less its own piece.
 */
final class MessageCarrier implements Carrier {
  /** Floats of a message: half a mebibyte, as one of a mebibyte would not fit a frame. */
  private static final int PART = 1 << 17;

  /** Messages that are waited for at once: a queue to another node has room for 3072. */
  private static final int UNDER_WAY = 256;

  private final Peers peers;

  MessageCarrier(Peers peers) {
    this.peers = peers;
  }

  @Override
  public Floats sum(PartialSums own) {
    Share share = peers.share();
    int size = own.size();
    int[] counts = IntStream.range(0, share.of()).map(rank -> share.at(rank).count(size)).toArray();
    return all(own.whole(), piece(own, share.from(size), share.to(size)), counts);
  }

  @Override
  public Floats shard(PartialSums own, Shards shards) {
    int rank = peers.share().rank();
    return piece(own, shards.from(rank), shards.to(rank));
  }

  @Override
  public Floats gather(int number, Floats own, int[] counts) {
    return all(new Span(number, number + 1), own, counts);
  }

  /** Of the whole gradient, added up here. */
  private Floats piece(PartialSums own, int from, int to) {
    own.sums().forEach((span, part) -> peers.exchange().put(span, 0, part.gradient()));
    float[] piece = new float[to - from];
    Deque<Runnable> added = new ArrayDeque<>();
    for (int start = from; start < to; start += PART) {
      int at = start;
      int count = Math.min(PART, to - start);
      Map<Span, CompletableFuture<Floats>> parts = parts(own.whole(), at, count);
      after(
          added,
          () -> System.arraycopy(sum(own.whole(), parts).values(), 0, piece, at - from, count));
    }
    added.forEach(Runnable::run);
    return new Floats(piece);
  }

  /** This replica's piece of a buffer, and the others'. */
  private Floats all(Span of, Floats own, int[] counts) {
    float[] whole = new float[IntStream.of(counts).sum()];
    Deque<Runnable> fetched = new ArrayDeque<>();
    int from = 0;
    for (int rank = 0; rank < counts.length; rank++) {
      int end = from + counts[rank];
      if (rank == peers.share().rank()) {
        System.arraycopy(own.values(), 0, whole, from, own.size());
        peers.exchange().put(of, from, own);
      } else {
        for (int start = from; start < end; start += PART) {
          int at = start;
          int count = Math.min(PART, end - start);
          CompletableFuture<Floats> values = peers.fetch(rank, of, at, count);
          after(fetched, () -> System.arraycopy(Peers.await(values).values(), 0, whole, at, count));
        }
      }
      from = end;
    }
    fetched.forEach(Runnable::run);
    return new Floats(whole);
  }

  /** What waits for a message, after those before it where they are many. */
  private static void after(Deque<Runnable> waiting, Runnable next) {
    waiting.add(next);
    if (waiting.size() > UNDER_WAY) {
      waiting.remove().run();
    }
  }

  /** What all replicas have, from one place on. */
  private Map<Span, CompletableFuture<Floats>> parts(Span whole, int start, int count) {
    Share share = peers.share();
    Map<Span, CompletableFuture<Floats>> parts = new HashMap<>();
    for (int rank = 0; rank < share.of(); rank++) {
      for (Span span : share.at(rank).of(whole)) {
        parts.put(
            span,
            rank == share.rank()
                ? peers.exchange().sum(peers.number(), span, start, count).toCompletableFuture()
                : peers.fetch(rank, span, start, count));
      }
    }
    return parts;
  }

  private static Floats sum(Span whole, Map<Span, CompletableFuture<Floats>> parts) {
    Map<Span, float[]> values = new HashMap<>();
    parts.forEach((span, part) -> values.put(span, Peers.await(part).values()));
    return new Floats(whole.sum(values, Carrier::plus));
  }
}
