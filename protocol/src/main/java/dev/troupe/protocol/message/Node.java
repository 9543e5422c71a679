package dev.troupe.protocol.message;

import dev.troupe.protocol.data.RoleSpec;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;

/** The actor of one JVM that brings roles to life there. */
public final class Node {
  /** Raised with every change of a message; nodes of another version are refused. */
  public static final int PROTOCOL_VERSION = 16;

  private Node() {}

  /** What a node accepts. */
  public interface Command {}

  /** Asks who is there; answered by {@link Introduced}. */
  public record Introduce(ActorRef<Reply> replyTo) implements Command, Wire {}

  /** Brings a role to life; answered by {@link Opened}. Its engine loads with the first request. */
  public record Open(
      RoleSpec spec, Terms terms, ActorRef<RoleStatus> listener, ActorRef<Reply> replyTo)
      implements Command, Wire {}

  /**
   * What holds for all roles of a run.
   *
   * @param driver number of the process that drives the run, larger than that of those before it
   * @param silenceMillis how long work may make no progress; longer, and it hangs. 0 where nobody
   *     looks
   */
  public record Terms(long driver, long silenceMillis) implements Wire {
    public static final Terms NONE = new Terms(0, 0);
  }

  /** Asks to be told of connections that the node refused and will refuse: {@link Refused}. */
  public record Report(ActorRef<Refused> listener) implements Command, Wire {}

  /**
   * A connection was refused.
   *
   * @param node that refused it
   * @param what with whom, and why
   */
  public record Refused(String node, String what) implements Wire {}

  /** The run is over: the node's JVM ends. */
  public record Leave() implements Command, Wire {}

  /**
   * The run goes on without this node: its JVM ends.
   *
   * @param why a clause about the node as "it"
   */
  public record Dismiss(String why) implements Command, Wire {}

  /** Answers. */
  public sealed interface Reply extends Wire {}

  /**
   * Who a node is.
   *
   * @param name host and port
   * @param roles the node roles that placement names
   * @param rolloutWorkers how many roles it has room for that answer prompts with the policy's
   *     weights
   * @param protocolVersion its {@link #PROTOCOL_VERSION}
   * @param wireTypes the classes that it can send and receive, with their components, by their
   *     numbers: its algorithms may be others
   */
  public record Introduced(
      String name,
      List<String> roles,
      int rolloutWorkers,
      int protocolVersion,
      List<String> wireTypes,
      ActorRef<Command> node)
      implements Reply {
    public Introduced {
      roles = List.copyOf(roles);
      wireTypes = List.copyOf(wireTypes);
    }
  }

  /** The role lives. */
  public record Opened(ActorRef<RoleWorker.Command> worker, String node) implements Reply {}
}
