package dev.troupe.actors.role;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.message.RoleWorker;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * What one replica of a role has for the others. They ask for it in messages to its actor, and are
 * answered as soon as the role's thread has put it here. It is of one step at a time: no replica
 * begins the next exchange before all are through with the last.
 */
final class Exchange {
  /** Of a sum, from a place in the flat buffer on. */
  private record Piece(int from, Floats values) {
    Floats cut(int start, int size) {
      int at = start - from;
      if (at < 0 || at + size > values.size()) {
        throw new IllegalStateException(
            "it has "
                + values.size()
                + " numbers from "
                + from
                + " on, and was asked for "
                + size
                + " from "
                + start
                + " on");
      }
      return new Floats(Arrays.copyOfRange(values.values(), at, at + size));
    }
  }

  private long number;
  private final Map<Span, CompletableFuture<Piece>> sums = new HashMap<>();
  private CompletableFuture<Map<Span, Accumulated>> figures = new CompletableFuture<>();
  private CompletableFuture<String> address = new CompletableFuture<>();
  private CompletableFuture<Void> end = new CompletableFuture<>();
  private RoleWorker.@Nullable Failed failure;

  /** The role's thread begins one, or another replica that is a little ahead asks of it. */
  synchronized void begin(long next) {
    if (next > number) {
      clear();
      number = next;
    }
  }

  /** What there is may go. */
  synchronized void clear() {
    sums.clear();
    figures = new CompletableFuture<>();
    address = new CompletableFuture<>();
    end.complete(null);
    end = new CompletableFuture<>();
    failure = null;
  }

  synchronized void put(Map<Span, Accumulated> own) {
    figures.complete(own);
  }

  synchronized void put(String own) {
    address.complete(own);
  }

  void put(Span of, int from, Floats values) {
    sum(of).complete(new Piece(from, values));
  }

  /** Whoever waits for this replica waits no longer. */
  synchronized void fail(RoleWorker.Failed why) {
    failure = why;
    figures.completeExceptionally(exception(why));
    address.completeExceptionally(exception(why));
    end.completeExceptionally(exception(why));
    sums.values().forEach(sum -> sum.completeExceptionally(exception(why)));
  }

  private static RoleException exception(RoleWorker.Failed why) {
    return new RoleException(why.reason(), why.users());
  }

  /** As soon as it can be. */
  void answer(RoleWorker.FetchSum fetch) {
    sum(fetch.exchange(), fetch.of(), fetch.from(), fetch.size())
        .whenComplete(
            (values, thrown) ->
                fetch
                    .replyTo()
                    .tell(thrown == null ? new RoleWorker.Fetched(values) : failed(thrown)));
  }

  /** As soon as it can be. */
  void answer(RoleWorker.FetchFigures fetch) {
    figures(fetch.exchange())
        .whenComplete(
            (parts, thrown) ->
                fetch
                    .replyTo()
                    .tell(
                        thrown == null
                            ? new RoleWorker.Figures(
                                parts.entrySet().stream()
                                    .map(it -> new RoleWorker.FiguresOf(it.getKey(), it.getValue()))
                                    .toList())
                            : failed(thrown)));
  }

  /** As soon as it can be. */
  void answer(RoleWorker.FetchAddress fetch) {
    address(fetch.exchange())
        .whenComplete(
            (told, thrown) ->
                fetch
                    .replyTo()
                    .tell(thrown == null ? new RoleWorker.Address(told) : failed(thrown)));
  }

  /** As soon as it is known. */
  void answer(RoleWorker.FetchEnd fetch) {
    end(fetch.exchange())
        .whenComplete(
            (over, thrown) ->
                fetch.replyTo().tell(thrown == null ? new RoleWorker.Finished() : failed(thrown)));
  }

  private static RoleWorker.Failed failed(Throwable thrown) {
    Throwable cause =
        thrown instanceof CompletionException && thrown.getCause() != null
            ? thrown.getCause()
            : thrown;
    return new RoleWorker.Failed(
        String.valueOf(cause.getMessage()),
        cause instanceof RoleException known && known.isUsers());
  }

  /** Floats of a sum, when they are there. */
  CompletionStage<Floats> sum(long exchange, Span of, int from, int size) {
    return in(exchange).thenCompose(done -> sum(of)).thenApply(piece -> piece.cut(from, size));
  }

  /** Loss and metrics, when they are there. */
  private synchronized CompletionStage<Map<Span, Accumulated>> figures(long exchange) {
    return in(exchange).thenCompose(done -> figures);
  }

  private synchronized CompletionStage<Void> end(long exchange) {
    return in(exchange).thenCompose(done -> end);
  }

  private synchronized CompletionStage<String> address(long exchange) {
    return in(exchange).thenCompose(done -> address);
  }

  private synchronized CompletableFuture<Piece> sum(Span of) {
    return sums.computeIfAbsent(
        of,
        key ->
            failure == null
                ? new CompletableFuture<>()
                : CompletableFuture.failedFuture(exception(failure)));
  }

  private synchronized CompletableFuture<Void> in(long exchange) {
    begin(exchange);
    return exchange == number
        ? CompletableFuture.completedFuture(null)
        : CompletableFuture.failedFuture(
            new IllegalStateException(
                "it is at exchange " + number + ", and was asked of exchange " + exchange));
  }
}
