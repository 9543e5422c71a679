package dev.troupe.actors.role;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.message.RoleWorker;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;

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

  private final RoleWorker.Together together;
  private final Exchange exchange;
  private final ActorRef<RoleWorker.Command> exchanger;
  private final ActorSystem<?> system;
  private final CompletableFuture<RoleWorker.Reply> lost;

  /**
   * @param exchange of this replica
   * @param exchanger its actor, which answers the others from it and asks them
   * @param lost completes with a failure when another replica ends
   */
  MessageCarrier(
      RoleWorker.Together together,
      Exchange exchange,
      ActorRef<RoleWorker.Command> exchanger,
      ActorSystem<?> system,
      CompletableFuture<RoleWorker.Reply> lost) {
    this.together = together;
    this.exchange = exchange;
    this.exchanger = exchanger;
    this.system = system;
    this.lost = lost;
  }

  /** What all replicas come to. */
  PartialSums.Part whole(PartialSums own) {
    Accumulated figures = figures(own);
    return new PartialSums.Part(figures, sum(own));
  }

  @Override
  public Floats sum(PartialSums own) {
    int size = own.size();
    own.sums().forEach((span, part) -> exchange.put(span, 0, part.gradient()));
    Share share = together.share();
    float[] whole = new float[size];
    int from = place(share.rank(), size);
    int to = place(share.rank() + 1, size);
    Deque<Runnable> added = new ArrayDeque<>();
    for (int start = from; start < to; start += PART) {
      int at = start;
      int count = Math.min(PART, to - start);
      Map<Span, CompletableFuture<Floats>> parts = parts(own.whole(), at, count);
      after(added, () -> System.arraycopy(sum(own.whole(), parts).values(), 0, whole, at, count));
    }
    added.forEach(Runnable::run);
    exchange.put(own.whole(), from, new Floats(Arrays.copyOfRange(whole, from, to)));
    Deque<Runnable> fetched = new ArrayDeque<>();
    for (int rank = 0; rank < share.of(); rank++) {
      for (int start = place(rank, size); start < place(rank + 1, size); start += PART) {
        if (rank != share.rank()) {
          int at = start;
          int count = Math.min(PART, place(rank + 1, size) - start);
          CompletableFuture<Floats> values = fetch(rank, own.whole(), at, count);
          after(fetched, () -> System.arraycopy(await(values).values(), 0, whole, at, count));
        }
      }
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

  private int place(int rank, int size) {
    return (int) ((long) size * rank / together.share().of());
  }

  /** What all replicas have, from one place on. */
  private Map<Span, CompletableFuture<Floats>> parts(Span whole, int start, int count) {
    Map<Span, CompletableFuture<Floats>> parts = new HashMap<>();
    for (int rank = 0; rank < together.share().of(); rank++) {
      for (Span span : new Share(rank, together.share().of()).of(whole)) {
        parts.put(
            span,
            rank == together.share().rank()
                ? exchange.sum(together.exchange(), span, start, count).toCompletableFuture()
                : fetch(rank, span, start, count));
      }
    }
    return parts;
  }

  private static Floats sum(Span whole, Map<Span, CompletableFuture<Floats>> parts) {
    Map<Span, Floats> values = new HashMap<>();
    parts.forEach((span, part) -> values.put(span, await(part)));
    return whole.sum(values, MessageCarrier::plus);
  }

  /** As torch adds them; the first is of no use any more. */
  private static Floats plus(Floats one, Floats other) {
    float[] sum = one.values();
    float[] more = other.values();
    for (int i = 0; i < sum.length; i++) {
      sum[i] += more[i];
    }
    return one;
  }

  /** Loss and metrics of the whole step. */
  private Accumulated figures(PartialSums own) {
    Map<Span, Accumulated> mine = new HashMap<>();
    own.sums().forEach((span, part) -> mine.put(span, part.figures()));
    exchange.put(mine);
    Map<Span, Accumulated> all = new HashMap<>(mine);
    List<CompletableFuture<RoleWorker.Figures>> others = new ArrayList<>();
    for (int rank = 0; rank < together.share().of(); rank++) {
      if (rank != together.share().rank()) {
        others.add(
            ask(
                rank,
                replyTo -> new RoleWorker.FetchFigures(together.exchange(), replyTo),
                RoleWorker.Figures.class));
      }
    }
    for (CompletableFuture<RoleWorker.Figures> other : others) {
      await(other).parts().forEach(part -> all.put(part.of(), part.figures()));
    }
    return own.whole().sum(all, Accumulated::plus);
  }

  private CompletableFuture<Floats> fetch(int rank, Span span, int from, int count) {
    return ask(
            rank,
            replyTo -> new RoleWorker.FetchSum(together.exchange(), span, from, count, replyTo),
            RoleWorker.Fetched.class)
        .thenApply(RoleWorker.Fetched::part);
  }

  private <R extends RoleWorker.Reply> CompletableFuture<R> ask(
      int rank, Function<ActorRef<RoleWorker.Reply>, RoleWorker.Command> message, Class<R> kind) {
    return ExchangeActor.ask(exchanger, system, together.replicas().get(rank), message)
        .applyToEither(lost, reply -> reply)
        .thenApply(
            reply -> {
              if (reply instanceof RoleWorker.Failed failed) {
                throw new RoleException(failed.reason(), failed.users());
              }
              return kind.cast(reply);
            })
        .toCompletableFuture();
  }

  private static <T> T await(CompletableFuture<T> future) {
    try {
      return future.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }
}
