package dev.troupe.dashboard;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.protocol.event.RunPage;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.http.javadsl.Http;
import org.apache.pekko.http.javadsl.ServerBinding;
import org.apache.pekko.stream.javadsl.Sink;

/**
 * The web page of a run directory, served over HTTP while the run lasts and after. It reads the
 * directory's event file and nothing else. The page is read-only and has no login, which is why it
 * listens on the loopback address unless told otherwise.
 */
public final class DashboardServer implements RunPage {
  /** The address that only this machine reaches. */
  public static final String DEFAULT_HOST = "127.0.0.1";

  private static final Duration PATIENCE = Duration.ofMinutes(2);

  /**
   * An actor system of its own, deaf to the configuration of the application around it (which may
   * be a cluster node): only the libraries' defaults and these lines.
   */
  private static final Config SYSTEM =
      ConfigFactory.parseString(
              """
              pekko {
                loggers = ["org.apache.pekko.event.slf4j.Slf4jLogger"]
                logging-filter = "org.apache.pekko.event.slf4j.Slf4jLoggingFilter"
                loglevel = "WARNING"
                stdout-loglevel = "OFF"
                logger-startup-timeout = 2 minutes
                actor.creation-timeout = 2 minutes
                log-dead-letters = off
                daemonic = on
                jvm-exit-on-fatal-error = off
                coordinated-shutdown.run-by-jvm-shutdown-hook = off
                actor.default-dispatcher.fork-join-executor { parallelism-min = 2, parallelism-max = 2 }
                http.server.transparent-head-requests = on
                http.server.idle-timeout = 30 s
                http.server.parsing.error-logging-verbosity = off
                http.server.server-header = ""
              }
              """)
          .withFallback(ConfigFactory.defaultReference());

  private final ActorSystem system;
  private final ServerBinding binding;
  private final RunFollower follower;
  private final String host;

  private DashboardServer(
      ActorSystem system, ServerBinding binding, RunFollower follower, String host) {
    this.system = system;
    this.binding = binding;
    this.follower = follower;
    this.host = host;
  }

  /**
   * Starts to serve.
   *
   * @param runDirectory of a run that goes on, is over or has yet to write its first event
   * @param host to listen on, {@value #DEFAULT_HOST} for this machine alone
   * @param port to listen on; 0 takes a free one, see {@link #port()}
   * @throws DashboardException when there is no such directory or the address cannot be taken
   */
  public static DashboardServer start(Path runDirectory, String host, int port) {
    return start(runDirectory, host, port, Connections.FIRST_REQUEST);
  }

  static DashboardServer start(Path runDirectory, String host, int port, Duration firstRequest) {
    if (!Files.isDirectory(runDirectory)) {
      throw new DashboardException(
          String.format(
              Locale.ROOT,
              "the dashboard found no run directory at %s; expected the output directory of a run, which holds events.pb",
              runDirectory));
    }
    LiveView live = new LiveView();
    Pages pages = new Pages(live, host);
    ActorSystem system = ActorSystem.create("troupe-dashboard", SYSTEM);
    try {
      Connections connections = new Connections(system, pages::answer, firstRequest);
      ServerBinding binding =
          Http.get(system)
              .newServerAt(host, port)
              .connectionSource()
              .to(Sink.foreach(connections::admit))
              .run(system)
              .toCompletableFuture()
              .get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      RunFollower follower = RunFollower.start("troupe-dashboard", runDirectory, live::take);
      return new DashboardServer(system, binding, follower, host);
    } catch (ExecutionException | CompletionException | TimeoutException e) {
      system.terminate();
      throw refused(host, port, e);
    } catch (InterruptedException e) {
      system.terminate();
      Thread.currentThread().interrupt();
      throw new DashboardException("interrupted while the dashboard started", e);
    }
  }

  private static DashboardException refused(String host, int port, Exception failure) {
    String reason = failure.toString();
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof BindException) {
        reason = cause.getMessage();
      }
    }
    return new DashboardException(
        String.format(
            Locale.ROOT,
            "the dashboard cannot listen on %s:%d: %s. Take another port, or 0 for any free one (dashboard.port of a configuration, --port of troupe dashboard).",
            host,
            port,
            reason),
        failure);
  }

  /** The port it listens on. */
  public int port() {
    return binding.localAddress().getPort();
  }

  /** Where to look, for example {@code http://127.0.0.1:8265/}. */
  @Override
  public URI url() {
    InetSocketAddress address = binding.localAddress();
    String name = address.getAddress().isAnyLocalAddress() ? localName() : host;
    String literal = name.contains(":") ? "[" + name + "]" : name;
    return URI.create("http://" + literal + ":" + port() + "/");
  }

  private static String localName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      return DEFAULT_HOST;
    }
  }

  /** Reads what is left to read and stops to serve. */
  @Override
  public void close() {
    follower.close();
    try {
      binding
          .terminate(Duration.ofSeconds(1))
          .toCompletableFuture()
          .get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      system.terminate();
      system.getWhenTerminated().toCompletableFuture().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      throw new DashboardException("the dashboard did not stop: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The newest view, written by the follower's thread and read by any. */
  static final class LiveView {
    private final RunHistory history = new RunHistory();
    private volatile RunView view = RunHistory.empty();

    void take(List<RunEvent> events) {
      events.forEach(history::apply);
      view = history.view();
    }

    RunView get() {
      return view;
    }
  }
}
