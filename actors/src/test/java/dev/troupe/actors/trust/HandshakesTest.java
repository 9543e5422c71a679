package dev.troupe.actors.trust;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import dev.troupe.actors.cluster.WarningsAndStreams;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLSocket;
import org.apache.pekko.actor.BootstrapSetup;
import org.apache.pekko.actor.setup.ActorSystemSetup;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.actor.typed.javadsl.Behaviors;
import org.apache.pekko.cluster.typed.Cluster;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Connections that say nothing, or too little, are closed and named; those of the run are not. */
@Timeout(120)
class HandshakesTest {
  private static final Duration HOUR = Duration.ofHours(1);
  private static final Duration LONG = Duration.ofSeconds(100);

  /** What opens a TLS record of 300 bytes, which do not come. */
  private static final byte[] BEGUN = {22, 3, 3, 1, 44, 1, 0};

  private final Authority authority = Authority.create("run", HOUR);
  private final BlockingQueue<String> told = new LinkedBlockingQueue<>();
  private final List<Socket> sockets = new ArrayList<>();
  private Handshakes handshakes;
  private ActorSystem<Void> system;

  private void start(Duration longest, int most) {
    handshakes = new Handshakes(longest, most);
    Refusals refusals = new Refusals();
    refusals.listen(told::add);
    system =
        ActorSystem.create(
            Behaviors.empty(),
            "troupe",
            ActorSystemSetup.create(
                BootstrapSetup.create(
                    ConfigFactory.parseMap(
                            Map.of(
                                "pekko.actor.provider", "cluster",
                                "pekko.loglevel", "DEBUG",
                                "pekko.logging-filter", WarningsAndStreams.class.getName(),
                                "pekko.remote.artery.canonical.hostname", "127.0.0.1",
                                "pekko.remote.artery.canonical.port", 0))
                        .withFallback(ConfigFactory.parseResources("troupe-actors.conf"))
                        .withFallback(ConfigFactory.load())),
                RunTls.setup(authority.issue("node", HOUR), refusals, handshakes)));
    refusals.hear(system);
  }

  @AfterEach
  void stop() throws Exception {
    for (Socket socket : sockets) {
      socket.close();
    }
    system.terminate();
    system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
  }

  private Socket knock(byte... bytes) throws IOException {
    Socket socket = new Socket(InetAddress.getLoopbackAddress(), port());
    sockets.add(socket);
    socket.getOutputStream().write(bytes);
    return socket;
  }

  private SSLSocket handshake() throws IOException {
    SSLSocket socket =
        (SSLSocket)
            RunTls.context(authority.issue("peer", HOUR))
                .getSocketFactory()
                .createSocket(InetAddress.getLoopbackAddress(), port());
    sockets.add(socket);
    socket.startHandshake();
    return socket;
  }

  private void awaitUnderWay(int count) {
    while (handshakes.underWay() != count) {
      Thread.onSpinWait();
    }
  }

  private int port() {
    return Cluster.get(system).selfMember().address().getPort().orElseThrow();
  }

  private static void assertClosed(Socket socket) throws IOException {
    try {
      assertThat(socket.getInputStream().read()).isEqualTo(-1);
    } catch (SocketException e) {
      assertThat(e).hasMessageContaining("reset");
    }
  }

  private void assertTold(Socket socket, String reason) throws InterruptedException {
    assertThat(told.poll(60, TimeUnit.SECONDS))
        .isEqualTo("refused a connection with 127.0.0.1:" + socket.getLocalPort() + ": " + reason);
  }

  @Test
  void aConnectionThatSaysNothing_orBeginsAndStops_isClosed_andNamed() throws Exception {
    start(Duration.ofSeconds(1), 100);
    for (byte[] said : List.of(new byte[0], BEGUN)) {
      Socket silent = knock(said);
      assertClosed(silent);
      assertTold(silent, "it did not finish the handshake within 1 s");
    }
  }

  /** Each further byte does not begin its time anew. */
  @Test
  void aConnectionThatDrips_isClosedAllTheSame() throws Exception {
    start(Duration.ofSeconds(1), 100);
    Socket drips = knock(BEGUN);
    drips.setSoTimeout(20);
    int sent = 0;
    // 300 bytes would be a record.
    while (sent < 250 && !hungUp(drips)) {
      drips.getOutputStream().write(0);
      sent++;
    }
    assertThat(sent).isBetween(5, 249);
    assertTold(drips, "it did not finish the handshake within 1 s");
  }

  private static boolean hungUp(Socket socket) throws IOException {
    try {
      return socket.getInputStream().read() < 0;
    } catch (SocketTimeoutException e) {
      return false;
    } catch (SocketException e) {
      return true;
    }
  }

  @Test
  void beyondSoMany_theOldestGivesWay_andOneOfTheRunIsLetIn() throws Exception {
    start(LONG, 3);
    Socket first = knock(BEGUN);
    awaitUnderWay(1);
    Socket second = knock();
    awaitUnderWay(2);
    // Neither who hangs up nor who has been let in is counted any more.
    Socket gone = knock();
    awaitUnderWay(3);
    gone.close();
    awaitUnderWay(2);
    handshake();
    awaitUnderWay(2);
    knock(BEGUN);
    awaitUnderWay(3);
    assertThat(told).isEmpty();
    knock(BEGUN);
    assertClosed(first);
    assertTold(first, "it had not finished its handshake when 3 others had begun theirs");
    SSLSocket peer = handshake();
    assertClosed(second);
    assertThat(peer.getSession().isValid()).isTrue();
  }

  @Test
  void aPeerThatWasLetIn_hasAllTheTimeItWants() throws Exception {
    start(Duration.ofSeconds(1), 100);
    SSLSocket peer = handshake();
    awaitUnderWay(0);
    Socket silent = knock();
    assertClosed(silent);
    assertTold(silent, "it did not finish the handshake within 1 s");
    peer.setSoTimeout(300);
    assertThat(hungUp(peer)).isFalse();
  }
}
