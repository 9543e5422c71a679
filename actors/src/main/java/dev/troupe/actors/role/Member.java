package dev.troupe.actors.role;

import dev.troupe.protocol.message.Node;
import dev.troupe.protocol.message.RoleWorker;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.typed.ActorRef;
import org.jspecify.annotations.Nullable;

/** A worker of a role, as its {@link RolloutDispatcher} knows it. */
final class Member {
  private static final long NONE = -1;

  final String name;
  final ActorRef<Node.Command> home;
  @Nullable ActorRef<RoleWorker.Command> worker;

  /** For people: host and port, or local. */
  String node;

  boolean loaded;
  boolean busy;
  boolean lost;

  /** What its node did, once it is lost. */
  String end = "";

  /** Weights that it waits for, or is taking. */
  @Nullable Offer awaits;

  /** Of the weights that it took. */
  private long version = NONE;

  Member(String name, ActorRef<Node.Command> home) {
    this.name = name;
    this.home = home;
    node = name(home);
  }

  String node() {
    return node;
  }

  /** Whether it can be given something to do. */
  boolean isFree() {
    return loaded && !busy && !lost;
  }

  ActorRef<RoleWorker.Command> worker() {
    if (worker == null) {
      throw new IllegalStateException(name + " is not open");
    }
    return worker;
  }

  boolean has(RoleWorker.Lent lent) {
    return version == lent.adapterVersion();
  }

  void took(RoleWorker.Lent lent) {
    version = lent.adapterVersion();
  }

  /** Whatever it has is of no use. */
  void forgetVersion() {
    version = NONE;
  }

  /** What is answered in the name of one that is gone. */
  RoleWorker.Failed gone(String activity) {
    return lost(name, node, worker == null ? end : end + " while it was to " + activity);
  }

  /**
   * A role that cannot answer.
   *
   * @param end what its node did
   */
  static RoleWorker.Failed lost(String role, String node, String end) {
    return new RoleWorker.Failed(
        "the "
            + role
            + " is lost: its node "
            + node
            + " "
            + end
            + ". See that node's log; the run can be resumed",
        false);
  }

  /** Host and port of a node on another JVM. */
  static String name(ActorRef<Node.Command> node) {
    return node.path().address().hostPort().replaceFirst(".*@", "");
  }

  /** Asked of an actor of this JVM that is no more, which Pekko tells at once. */
  static boolean hasEnded(@Nullable Throwable failure) {
    return failure instanceof TimeoutException
        && String.valueOf(failure.getMessage()).contains("terminated");
  }
}
