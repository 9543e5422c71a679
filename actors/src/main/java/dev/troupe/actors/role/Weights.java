package dev.troupe.actors.role;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.AskPattern;

/**
 * A role's trained parameters in parts, as they go from one role to another: a few megabytes at a
 * time.
 *
 * @param version of the adapter
 * @param parts all but the last of {@value #PART} floats
 */
record Weights(long version, List<Floats> parts) {
  /** Four mebibytes: a frame of the wire has room for sixteen such. */
  static final int PART = 1 << 20;

  private static final Duration DEADLINE = Duration.ofMinutes(3);

  Weights {
    parts = List.copyOf(parts);
  }

  static Weights of(long version, Floats whole) {
    List<Floats> parts = new ArrayList<>();
    for (int from = 0; from < whole.size(); from += PART) {
      int to = Math.min(whole.size(), from + PART);
      parts.add(new Floats(Arrays.copyOfRange(whole.values(), from, to)));
    }
    return new Weights(version, parts);
  }

  /**
   * Part after part, so that one role never has more than one under way. Not for an actor: waits.
   *
   * @param watcher notices when the lender ends
   */
  static Weights fetch(
      RoleWorker.Take take, ActorSystem<?> system, ActorRef<Watcher.Command> watcher) {
    CompletableFuture<RoleWorker.Reply> lost = new CompletableFuture<>();
    Runnable ended =
        () ->
            lost.complete(
                new RoleWorker.Failed(
                    "the weights of version "
                        + take.adapterVersion()
                        + " did not come: "
                        + take.lender().path()
                        + " ended",
                    false));
    watcher.tell(new Watcher.Watch(take.lender(), ended));
    try {
      List<Floats> parts = new ArrayList<>();
      while (parts.size() < take.parts()) {
        parts.add(part(take, parts.size(), system, lost));
      }
      return new Weights(take.adapterVersion(), parts);
    } finally {
      watcher.tell(new Watcher.Forget(take.lender(), ended));
    }
  }

  private static Floats part(
      RoleWorker.Take take,
      int part,
      ActorSystem<?> system,
      CompletableFuture<RoleWorker.Reply> lost) {
    RoleWorker.Reply reply;
    try {
      reply =
          AskPattern.<RoleWorker.Command, RoleWorker.Reply>ask(
                  take.lender(),
                  replyTo -> new RoleWorker.Fetch(take.adapterVersion(), part, replyTo),
                  DEADLINE,
                  system.scheduler())
              .applyToEither(lost, answer -> answer)
              .toCompletableFuture()
              .join();
    } catch (CompletionException e) {
      throw new RoleException(
          "the weights of version "
              + take.adapterVersion()
              + " did not come from "
              + take.lender().path()
              + " within "
              + DEADLINE.toSeconds()
              + " s",
          false);
    }
    if (reply instanceof RoleWorker.Fetched fetched) {
      return fetched.part();
    }
    throw new RoleException(
        reply instanceof RoleWorker.Failed failed
            ? failed.reason()
            : "asked for weights, found " + reply.getClass().getSimpleName(),
        false);
  }
}
