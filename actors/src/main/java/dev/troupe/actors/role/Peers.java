package dev.troupe.actors.role;

import dev.troupe.protocol.data.Accumulated;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.PartialSums;
import dev.troupe.protocol.data.Shards;
import dev.troupe.protocol.data.Share;
import dev.troupe.protocol.data.Span;
import dev.troupe.protocol.message.RoleWorker;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;

/**
 * The other replicas of a role, for the time of one exchange, as this one's thread asks them by
 * messages. Whatever is waited for fails when one of them ends.
 */
final class Peers {
  private final RoleWorker.Together together;
  private final Exchange exchange;
  private final ActorRef<RoleWorker.Command> exchanger;
  private final ActorSystem<?> system;
  private final CompletableFuture<RoleWorker.Reply> lost;
  private final List<CompletableFuture<RoleWorker.Reply>> ends = new CopyOnWriteArrayList<>();

  /**
   * @param exchange of this replica
   * @param exchanger its actor, which answers the others from it and asks them
   * @param lost completes with a failure when another replica ends
   */
  Peers(
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

  /** What all replicas come to, whose gradients go by a carrier. */
  PartialSums.Part whole(PartialSums own, Carrier carrier) {
    return new PartialSums.Part(figures(own), carrier.sum(own));
  }

  /** The same with this replica's shard of the gradient. */
  PartialSums.Part shard(PartialSums own, Carrier carrier) {
    return new PartialSums.Part(
        figures(own), carrier.shard(own, new Shards(own.size(), share().of())));
  }

  Share share() {
    return together.share();
  }

  /** What another replica has is as good as this one's own. */
  Exchange exchange() {
    return exchange;
  }

  long number() {
    return together.exchange();
  }

  /** From now on {@link #check} knows of what fails elsewhere. */
  void listen() {
    for (int rank = 0; rank < share().of(); rank++) {
      if (rank != share().rank()) {
        ends.add(
            ExchangeActor.ask(
                exchanger,
                system,
                together.replicas().get(rank),
                replyTo -> new RoleWorker.FetchEnd(together.exchange(), replyTo)));
      }
    }
  }

  /** Fails when another replica has ended, or has failed in its part. */
  void check() {
    if (lost.isDone()) {
      known(lost.join(), RoleWorker.Reply.class);
    }
    for (CompletableFuture<RoleWorker.Reply> end : ends) {
      if (end.isDone()) {
        known(end.join(), RoleWorker.Reply.class);
      }
    }
  }

  /** Loss and metrics of the whole step. */
  private Accumulated figures(PartialSums own) {
    Map<Span, Accumulated> mine = new HashMap<>();
    own.sums().forEach((span, part) -> mine.put(span, part.figures()));
    exchange.put(mine);
    Map<Span, Accumulated> all = new HashMap<>(mine);
    for (RoleWorker.Figures other :
        ofOthers(
            replyTo -> new RoleWorker.FetchFigures(together.exchange(), replyTo),
            RoleWorker.Figures.class)) {
      other.parts().forEach(part -> all.put(part.of(), part.figures()));
    }
    return own.whole().sum(all, Accumulated::plus);
  }

  /** What the others say to this, having told them what this one says. */
  List<String> addresses(String own) {
    exchange.put(own);
    return ofOthers(
            replyTo -> new RoleWorker.FetchAddress(together.exchange(), replyTo),
            RoleWorker.Address.class)
        .stream()
        .map(RoleWorker.Address::told)
        .toList();
  }

  private <R extends RoleWorker.Reply> List<R> ofOthers(
      Function<ActorRef<RoleWorker.Reply>, RoleWorker.Command> message, Class<R> kind) {
    List<CompletableFuture<R>> others = new ArrayList<>();
    for (int rank = 0; rank < share().of(); rank++) {
      if (rank != share().rank()) {
        others.add(ask(rank, message, kind));
      }
    }
    return others.stream().map(Peers::await).toList();
  }

  CompletableFuture<Floats> fetch(int rank, Span span, int from, int count) {
    return ask(
            rank,
            replyTo -> new RoleWorker.FetchSum(together.exchange(), span, from, count, replyTo),
            RoleWorker.Fetched.class)
        .thenApply(RoleWorker.Fetched::part);
  }

  private <R extends RoleWorker.Reply> CompletableFuture<R> ask(
      int rank, Function<ActorRef<RoleWorker.Reply>, RoleWorker.Command> message, Class<R> kind) {
    return ExchangeActor.ask(exchanger, system, together.replicas().get(rank), message)
        .applyToEither(lost, reply -> known(reply, kind))
        .toCompletableFuture();
  }

  private static <R extends RoleWorker.Reply> R known(RoleWorker.Reply reply, Class<R> kind) {
    if (reply instanceof RoleWorker.Failed failed) {
      throw new RoleException(failed.reason(), failed.users());
    }
    return kind.cast(reply);
  }

  static <T> T await(CompletableFuture<T> future) {
    try {
      return future.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    }
  }
}
