package dev.troupe.actors.trust;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.apache.pekko.actor.typed.ActorRef;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.Props;
import org.apache.pekko.actor.typed.eventstream.EventStream;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.event.Logging;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who was not let in, as sentences: the first ten of a host and reason by their whole addresses,
 * then the hundredth, the thousandth and so on, so that nobody can fill a log by knocking. For any
 * thread.
 */
public final class Refusals {
  private static final Logger LOG = LoggerFactory.getLogger(Refusals.class);

  /** Kept for those who come to listen later. */
  private static final int KEPT = 100;

  /** Of a host and reason that are told one by one. */
  private static final int EACH = 10;

  /** Pairs of host and reason that are counted apart; further ones share one count. */
  private static final int APART = 1000;

  private final Map<String, Integer> counts = new ConcurrentHashMap<>();
  private final List<String> told = new ArrayList<>();
  private final List<Consumer<String>> listeners = new ArrayList<>();

  /** Pekko tells the address of a connection that was refused in its log alone. */
  public void hear(ActorSystem<?> system) {
    ActorRef<Logging.Debug> ear =
        system.systemActorOf(
            Behaviors.receive(Logging.Debug.class)
                .onAnyMessage(
                    line -> {
                      heard(String.valueOf(line.message()));
                      return Behaviors.same();
                    })
                .build(),
            "refusals",
            Props.empty());
    system.eventStream().tell(new EventStream.Subscribe<>(Logging.Debug.class, ear));
  }

  /** Takes a line of Pekko's log, of whatever it tells. */
  private void heard(String line) {
    Stranger.in(line).ifPresent(refusal -> refused(refusal.address(), refusal.reason()));
  }

  synchronized void refused(String address, String reason) {
    String host = address.replaceFirst(":\\d+$", "");
    String pair = host + " " + reason;
    int count =
        counts.merge(
            counts.size() < APART || counts.containsKey(pair) ? pair : "", 1, Integer::sum);
    if (count > EACH && !isPowerOfTen(count)) {
      return;
    }
    String sentence =
        count <= EACH
            ? "refused a connection with " + address + ": " + reason
            : "refused " + count + " connections with " + host + " so far: " + reason;
    LOG.warn("{}", sentence);
    if (told.size() < KEPT) {
      told.add(sentence);
    }
    listeners.forEach(listener -> listener.accept(sentence));
  }

  private static boolean isPowerOfTen(int count) {
    int power = 1;
    while (power < count && power <= Integer.MAX_VALUE / 10) {
      power *= 10;
    }
    return power == count;
  }

  /** Hears what has been told so far, and then what comes. */
  public synchronized void listen(Consumer<String> listener) {
    told.forEach(listener);
    listeners.add(listener);
  }

  /** The first. */
  public synchronized Optional<String> first() {
    return told.stream().findFirst();
  }
}
