package dev.troupe.actors.cluster;

import dev.troupe.protocol.message.Node;
import java.time.Duration;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.Behavior;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.typed.Cluster;
import org.apache.pekko.cluster.typed.Down;

/**
 * Sends a node away: it is told why until it has gone, as a message to one that is still joining
 * can be lost with its connection, and is removed from the cluster when it does not go.
 */
final class Dismissal {
  private static final Duration INTERVAL = Duration.ofSeconds(1);
  private static final int TIMES = 10;

  private enum Command {
    AGAIN,
    GONE
  }

  private Dismissal() {}

  static Behavior<?> create(ActorRef<Node.Command> node, String why) {
    return Behaviors.<Command>setup(
        context ->
            Behaviors.withTimers(
                timers -> {
                  context.watchWith(node, Command.GONE);
                  timers.startTimerWithFixedDelay(Command.AGAIN, Duration.ZERO, INTERVAL);
                  return telling(node, new Node.Dismiss(why), TIMES);
                }));
  }

  private static Behavior<Command> telling(
      ActorRef<Node.Command> node, Node.Dismiss dismiss, int times) {
    return Behaviors.receive(
        (context, command) -> {
          if (command == Command.GONE) {
            return Behaviors.stopped();
          }
          if (times == 0) {
            Cluster.get(context.getSystem()).manager().tell(new Down(node.path().address()));
            return Behaviors.stopped();
          }
          node.tell(dismiss);
          return telling(node, dismiss, times - 1);
        });
  }
}
