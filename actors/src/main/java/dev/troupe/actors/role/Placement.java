package dev.troupe.actors.role;

import dev.troupe.protocol.message.Node;
import java.util.List;
import org.apache.pekko.actor.typed.ActorRef;

/** Where roles live. */
public interface Placement {
  /** The nodes where a role learns, by the role's name: a replica of it on each. */
  List<ActorRef<Node.Command>> homes(String role);

  /**
   * Where workers of a role may be opened that answer its prompts, a node as often as it has room;
   * empty where the role answers them at home.
   */
  List<ActorRef<Node.Command>> workers(String role);
}
