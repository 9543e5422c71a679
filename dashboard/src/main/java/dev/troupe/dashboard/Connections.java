package dev.troupe.dashboard;

import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import org.apache.pekko.Done;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.http.javadsl.IncomingConnection;
import org.apache.pekko.http.javadsl.model.HttpRequest;
import org.apache.pekko.http.javadsl.model.HttpResponse;
import org.apache.pekko.japi.Pair;
import org.apache.pekko.japi.function.Function;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.UniqueKillSwitch;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Keep;

/**
 * The connections of a server, so many and no more. One that asks for nothing whole in time is
 * closed; where all places are taken, a newcomer gets that of the one that has waited longest with
 * its first request, or else was served longest ago: however many say little, a page that asks is
 * answered. For any thread.
 */
final class Connections {
  /** Each holds a file of this process, which a run needs others of. */
  static final int MOST = 256;

  /** Of a first request, headers included, from the connection's beginning on. */
  static final Duration FIRST_REQUEST = Duration.ofSeconds(10);

  private final ActorSystem system;
  private final Function<HttpRequest, HttpResponse> answer;
  private final Duration patience;
  private final Set<Place> silent = new LinkedHashSet<>();
  private final Set<Place> served = new LinkedHashSet<>();

  /** Of one connection; compared by identity. */
  private static final class Place {
    private volatile Optional<UniqueKillSwitch> closer = Optional.empty();

    void close() {
      closer.ifPresent(UniqueKillSwitch::shutdown);
    }
  }

  /**
   * @param patience until a first request is whole
   */
  Connections(ActorSystem system, Function<HttpRequest, HttpResponse> answer, Duration patience) {
    this.system = system;
    this.answer = answer;
    this.patience = patience;
  }

  void admit(IncomingConnection connection) {
    Place place = new Place();
    enter(place);
    Flow<HttpRequest, HttpResponse, Pair<UniqueKillSwitch, CompletionStage<Done>>> flow =
        Flow.of(HttpRequest.class)
            .viaMat(KillSwitches.<HttpRequest>single(), Keep.right())
            .map(
                request -> {
                  asked(place);
                  return answer.apply(request);
                })
            .watchTermination(Keep.both());
    Pair<UniqueKillSwitch, CompletionStage<Done>> running =
        connection.handleWith(flow, Materializer.matFromSystem(system));
    place.closer = Optional.of(running.first());
    running.second().whenComplete((done, failure) -> leave(place));
    system.scheduler().scheduleOnce(patience, () -> closeIfSilent(place), system.dispatcher());
  }

  private void enter(Place place) {
    Optional<Place> evicted = Optional.empty();
    synchronized (this) {
      if (silent.size() + served.size() >= MOST) {
        Set<Place> from = silent.isEmpty() ? served : silent;
        evicted = Optional.of(from.iterator().next());
        from.remove(evicted.get());
      }
      silent.add(place);
    }
    evicted.ifPresent(Place::close);
  }

  /** The one that asks is the last to go. */
  private synchronized void asked(Place place) {
    if (silent.remove(place) || served.remove(place)) {
      served.add(place);
    }
  }

  private synchronized void leave(Place place) {
    silent.remove(place);
    served.remove(place);
  }

  private void closeIfSilent(Place place) {
    boolean still;
    synchronized (this) {
      still = silent.remove(place);
    }
    if (still) {
      place.close();
    }
  }
}
