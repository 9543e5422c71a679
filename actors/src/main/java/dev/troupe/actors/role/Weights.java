package dev.troupe.actors.role;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.message.RoleWorker;
import java.time.Duration;
import java.util.concurrent.CompletionException;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.AskPattern;

/** Another role's parameters by messages, a few megabytes at a time. Waits: not for an actor. */
record Weights(ActorSystem<?> system) {
  /** Four mebibytes: a frame of the wire has room for sixteen such. */
  static final int PART = 1 << 20;

  private static final Duration DEADLINE = Duration.ofSeconds(60);

  /** Part after part, so that one worker never has more than one under way. */
  Floats fetch(RoleWorker.Take take) {
    float[] all = new float[take.floats()];
    for (int from = 0; from < all.length; from += PART) {
      float[] part = part(take, from, Math.min(PART, all.length - from)).values();
      System.arraycopy(part, 0, all, from, part.length);
    }
    return new Floats(all);
  }

  private Floats part(RoleWorker.Take take, int from, int count) {
    RoleWorker.Reply reply;
    try {
      reply =
          AskPattern.<RoleWorker.Command, RoleWorker.Reply>ask(
                  take.lender(),
                  replyTo -> new RoleWorker.Fetch(take.adapterVersion(), from, count, replyTo),
                  DEADLINE,
                  system.scheduler())
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
    if (reply instanceof RoleWorker.Fetched fetched && fetched.part().size() == count) {
      return fetched.part();
    }
    throw new RoleException(
        reply instanceof RoleWorker.Failed failed
            ? failed.reason()
            : "asked for " + count + " parameters, found " + reply.getClass().getSimpleName(),
        false);
  }
}
