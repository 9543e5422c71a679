package dev.troupe.actors.cluster;

import dev.troupe.protocol.message.RoleWorker;
import dev.troupe.protocol.message.Wire;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.pekko.actor.ActorRef;
import org.apache.pekko.remote.artery.RemoteInstrument;

/**
 * Counts what this JVM sends and receives. Off unless the system property {@value #SETTING} names
 * this class before the first actor system starts; made by Pekko.
 */
public final class WireMeter extends RemoteInstrument {
  /** Names this class to Pekko. */
  public static final String SETTING = "pekko.remote.artery.advanced.instruments.0";

  /** What of the cluster's own is one kind: heartbeats, gossip and the like. */
  private static final String CLUSTER = "(the cluster itself)";

  private static final Map<String, Traffic> TOTALS = new ConcurrentHashMap<>();

  /**
   * Messages of one kind.
   *
   * @param nanos that turning them into bytes, or bytes into them, took
   */
  public record Traffic(long messages, long bytes, long nanos) {
    private Traffic plus(Traffic other) {
      return new Traffic(messages + other.messages, bytes + other.bytes, nanos + other.nanos);
    }

    /** What has come since {@code before}. */
    public Traffic since(Traffic before) {
      return new Traffic(messages - before.messages, bytes - before.bytes, nanos - before.nanos);
    }
  }

  /** So far, by "sent KIND" and "received KIND". */
  public static Map<String, Traffic> totals() {
    return new TreeMap<>(TOTALS);
  }

  private static void count(String direction, Object message, int bytes, long nanos) {
    TOTALS.merge(direction + " " + kind(message), new Traffic(1, bytes, nanos), Traffic::plus);
  }

  private static String kind(Object message) {
    if (message instanceof RoleWorker.Request request) {
      return request.work().getClass().getSimpleName();
    }
    return message instanceof Wire ? message.getClass().getSimpleName() : CLUSTER;
  }

  @Override
  public byte identifier() {
    return 17;
  }

  @Override
  public boolean serializationTimingEnabled() {
    return true;
  }

  @Override
  public void remoteMessageSent(
      ActorRef recipient, Object message, ActorRef sender, int size, long time) {
    count("sent", message, size, time);
  }

  @Override
  public void remoteMessageReceived(
      ActorRef recipient, Object message, ActorRef sender, int size, long time) {
    count("received", message, size, time);
  }

  @Override
  public void remoteWriteMetadata(
      ActorRef recipient, Object message, ActorRef sender, ByteBuffer buffer) {
    // Nothing travels with a message.
  }

  @Override
  public void remoteReadMetadata(
      ActorRef recipient, Object message, ActorRef sender, ByteBuffer buffer) {
    // As above.
  }
}
