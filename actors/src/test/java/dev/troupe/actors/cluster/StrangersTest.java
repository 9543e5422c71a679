package dev.troupe.actors.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.troupe.actors.role.FakeEngines;
import dev.troupe.actors.role.RunFiles;
import dev.troupe.actors.trust.Authority;
import dev.troupe.actors.trust.Credentials;
import dev.troupe.protocol.data.Head;
import dev.troupe.protocol.data.RoleSpec;
import dev.troupe.protocol.data.Tuning;
import dev.troupe.protocol.event.RunEvent;
import dev.troupe.rlhf.port.Cast;
import dev.troupe.rlhf.port.Role;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/** A run takes orders from its own: whoever else knocks is refused, and named. */
@Timeout(120)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class StrangersTest {
  private static final String LOOPBACK = "127.0.0.1";
  private static final Duration LONG = Duration.ofSeconds(60);
  private static final Duration HOUR = Duration.ofHours(1);
  private static final Authority AUTHORITY = Authority.create("run", HOUR);
  private static final Authority OTHER = Authority.create("other", HOUR);

  private final BlockingQueue<String> notices = new LinkedBlockingQueue<>();
  private Ensemble seed;
  private Ensemble node;
  private Role policy;

  @BeforeAll
  void start() throws Exception {
    seed = Ensemble.seed(LOOPBACK, 0, AUTHORITY.issue("driver", HOUR));
    node = join(AUTHORITY.issue("node", HOUR), LONG);
    Cast cast = seed.cast(Map.of("policy", "one"), LONG, LONG, this::event);
    policy =
        cast.open(
                new RoleSpec(
                    "policy",
                    "nowhere",
                    Optional.empty(),
                    new Tuning.Frozen(),
                    Head.LANGUAGE_MODEL,
                    Optional.empty(),
                    1,
                    Optional.empty(),
                    0))
            .toCompletableFuture()
            .get(60, TimeUnit.SECONDS);
  }

  @AfterAll
  void stop() {
    node.close();
    seed.close();
  }

  private void event(RunEvent.Builder event) {
    if (event.hasNotice()) {
      notices.add(event.getNotice().getText());
    }
  }

  private Ensemble join(Credentials credentials, Duration timeout) {
    return Ensemble.node(
        LOOPBACK,
        0,
        seed.address(),
        List.of("one"),
        timeout,
        new Ensemble.Place(credentials, RunFiles.ANYWHERE),
        new FakeEngines());
  }

  private static int port(Ensemble ensemble) {
    return Integer.parseInt(ensemble.address().replaceFirst(".*:", ""));
  }

  /** The notice that names the address; others' are passed over. */
  private String notice(String start) throws InterruptedException {
    for (String notice = notices.poll(30, TimeUnit.SECONDS);
        notice != null;
        notice = notices.poll(30, TimeUnit.SECONDS)) {
      if (notice.startsWith(start)) {
        return notice;
      }
    }
    throw new AssertionError("no notice starts with: " + start);
  }

  private void named(String reason) throws InterruptedException {
    String start = "node " + seed.address() + " refused a connection with 127.0.0.1:";
    String notice = notice(start);
    while (!notice.endsWith(": " + reason)) {
      notice = notice(start);
    }
  }

  /** A client that looks at nobody's certificate, with one of another run. */
  @Test
  void tlsWithACertificateOfAnotherRun_isRefused_andNamed() throws Exception {
    Credentials other = OTHER.issue("node", HOUR);
    shakesHands(
        new KeyManager[] {new Presents(other)},
        "its certificate is of another authority (run "
            + OTHER.run()
            + "), expected one of run "
            + AUTHORITY.run());
    theRunGoesOn();
  }

  private void shakesHands(KeyManager @Nullable [] keys, String reason) throws Exception {
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(keys, new TrustManager[] {new TrustsAll()}, null);
    try (SSLSocket socket =
        (SSLSocket)
            context.getSocketFactory().createSocket(InetAddress.getLoopbackAddress(), port(seed))) {
      int own = socket.getLocalPort();
      assertThatThrownBy(
              () -> {
                socket.startHandshake();
                socket.getInputStream().read();
                throw new IOException("closed");
              })
          .isInstanceOf(IOException.class);
      assertThat(notice("node " + seed.address() + " refused a connection with 127.0.0.1:" + own))
          .endsWith(": " + reason);
    }
  }

  private void theRunGoesOn() throws Exception {
    policy.save("there").toCompletableFuture().get(60, TimeUnit.SECONDS);
  }

  /** At the driver's port and at a node's, whose notice comes by way of the driver. */
  @Test
  void plainBytes_areRefused_andNamed() throws Exception {
    for (Ensemble knocked : List.of(seed, node)) {
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port(knocked))) {
        socket.getOutputStream().write(bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assertThat(notice("node " + knocked.address() + " refused"))
            .isEqualTo(
                "node "
                    + knocked.address()
                    + " refused a connection with "
                    + LOOPBACK
                    + ":"
                    + socket.getLocalPort()
                    + ": it does not speak TLS");
      }
    }
    theRunGoesOn();
  }

  /** As it is, behind what opens a TLS record, or behind Artery's own greeting. */
  @Test
  void noise_isWithoutEffect() throws Exception {
    long number = 20261129;
    Random random = new Random(number);
    List<byte[]> openings =
        List.of(
            new byte[0],
            new byte[] {22, 3, 3, 1, 44},
            new byte[] {23, 3, 3, 1, 44},
            bytes("AKKA\u0001"));
    byte[] noise = new byte[300];
    for (int i = 0; i < 80; i++) {
      random.nextBytes(noise);
      int port = port(i % 2 == 0 ? seed : node);
      try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
        socket.getOutputStream().write(openings.get(i / 2 % openings.size()));
        socket.getOutputStream().write(noise);
      } catch (SocketException e) {
        // Hung up on, which is an answer too.
      }
    }
    assertThatCode(this::theRunGoesOn).as("seed " + number).doesNotThrowAnyException();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  @Test
  void tlsWithoutACertificate_isRefused_andNamed() throws Exception {
    shakesHands(null, "it presented no certificate");
    theRunGoesOn();
  }

  /** The name of the system is the same, and so is its protocol. */
  @Test
  void aNodeOfAnotherRun_isNoMember_andBothSidesSayWhy() throws Exception {
    assertThatThrownBy(() -> join(OTHER.issue("node", HOUR), Duration.ofSeconds(3)))
        .isInstanceOf(ClusterException.class)
        .hasMessageContaining("cannot join the run of " + seed.address() + " within 3 s: refused")
        .hasMessageContaining(
            "its certificate is of another authority (run "
                + AUTHORITY.run()
                + "), expected one of run "
                + OTHER.run());
    named("it did not accept this node's certificate (certificate_unknown)");
    theRunGoesOn();
  }

  @Test
  void anExpiredNode_isNoMember() throws Exception {
    Instant now = Instant.now();
    Credentials expired = AUTHORITY.issue("node", now.minus(HOUR), now.minusSeconds(1));
    assertThatThrownBy(() -> join(expired, Duration.ofSeconds(3)))
        .isInstanceOf(ClusterException.class);
    named("its certificate expired on " + expired.expires());
    theRunGoesOn();
  }

  /** Its certificate, whoever the other side would accept. */
  private static final class Presents extends X509ExtendedKeyManager {
    private final Credentials credentials;

    Presents(Credentials credentials) {
      this.credentials = credentials;
    }

    @Override
    public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
      return "node";
    }

    @Override
    public X509Certificate[] getCertificateChain(String alias) {
      return new X509Certificate[] {credentials.certificate(), credentials.authority()};
    }

    @Override
    public PrivateKey getPrivateKey(String alias) {
      return credentials.key();
    }

    @Override
    public String[] getClientAliases(String type, Principal[] issuers) {
      return new String[] {"node"};
    }

    @Override
    public String[] getServerAliases(String type, Principal[] issuers) {
      return new String[0];
    }

    @Override
    public @Nullable String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
      return null;
    }
  }

  private static final class TrustsAll implements X509TrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
