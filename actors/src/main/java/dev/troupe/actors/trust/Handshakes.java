package dev.troupe.actors.trust;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.apache.pekko.actor.ActorCell;
import org.apache.pekko.actor.ActorContext;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.stream.impl.FanIn;
import org.apache.pekko.stream.impl.io.TLSActor;
import scala.collection.immutable.List;

/**
 * Connections to this JVM whose handshake is under way. Each has so long, and there are so many at
 * most: beyond that the oldest gives way, since an honest one is done in a moment. For any thread.
 *
 * <p>Pekko has no such bound. It makes an engine within the actor that carries the connection, and
 * that actor, told that its input has failed, closes the connection and has the log say whose it
 * was.
 */
final class Handshakes {
  /** A machine whose cores are all at work shakes hands in a second or two. */
  static final Duration LONGEST = Duration.ofSeconds(30);

  static final int MOST = 256;

  private final Duration longest;
  private final int most;
  private final Deque<Handshake> open = new ArrayDeque<>();

  Handshakes(Duration longest, int most) {
    this.longest = longest;
    this.most = most;
  }

  /** One connection's. */
  final class Handshake {
    private final ActorRef connection;

    private Handshake(ActorRef connection) {
      this.connection = connection;
    }

    /** It has succeeded or failed, or the peer has hung up. */
    void over() {
      remove(this);
    }

    private void refuse(String reason) {
      connection.tell(
          new FanIn.OnError(TLSActor.TransportIn(), new Stranger(reason)), ActorRef.noSender());
    }
  }

  /** To be called where Pekko makes a connection's engine. */
  Handshake begun(ActorSystem system) {
    Handshake handshake = new Handshake(underConstruction());
    Handshake oldest = add(handshake);
    if (oldest != null) {
      oldest.refuse("it had not finished its handshake when " + most + " others had begun theirs");
    }
    system
        .scheduler()
        .scheduleOnce(
            longest,
            () -> {
              if (remove(handshake)) {
                handshake.refuse(
                    "it did not finish the handshake within " + longest.toSeconds() + " s");
              }
            },
            system.dispatcher());
    return handshake;
  }

  /** The one that is to give way, if any is. */
  private synchronized @org.jspecify.annotations.Nullable Handshake add(Handshake handshake) {
    open.add(handshake);
    return open.size() > most ? open.remove() : null;
  }

  synchronized int underWay() {
    return open.size();
  }

  private synchronized boolean remove(Handshake handshake) {
    return open.remove(handshake);
  }

  /** The actor whose constructor is at work in this thread. */
  private static ActorRef underConstruction() {
    List<ActorContext> stack = ActorCell.contextStack().get();
    while (stack.nonEmpty()) {
      ActorContext context = stack.head();
      if (context != null) {
        return context.self();
      }
      // An actor puts this on top when it has found its context.
      stack = tail(stack);
    }
    throw new IllegalStateException("a TLS engine is made outside of the actor that it is for");
  }

  @SuppressWarnings("unchecked") // Scala's own type of a tail is lost on Java.
  private static List<ActorContext> tail(List<ActorContext> stack) {
    return (List<ActorContext>) stack.tail();
  }
}
