package dev.troupe.actors.trust;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.function.Consumer;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import javax.net.ssl.TrustManager;
import org.apache.pekko.actor.ActorSystem;
import org.apache.pekko.remote.artery.tcp.SSLEngineProvider;
import org.apache.pekko.remote.artery.tcp.SSLEngineProviderSetup;
import scala.Option;

/**
 * TLS 1.3 between the nodes of a run, both sides with a certificate of the run's authority; nothing
 * of it touches a disk.
 */
public final class RunTls implements SSLEngineProvider {
  private static final String[] PROTOCOLS = {"TLSv1.3"};
  private static final String[] SUITES = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"};

  private final SSLContext context;
  private final Refusals refusals;
  private final Handshakes handshakes;
  private final ActorSystem system;

  private RunTls(
      Credentials credentials, Refusals refusals, Handshakes handshakes, ActorSystem system) {
    this.refusals = refusals;
    this.handshakes = handshakes;
    this.system = system;
    this.context = context(credentials);
  }

  /** For a JVM with these credentials. */
  static SSLContext context(Credentials credentials) {
    try {
      char[] password = new char[0];
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, password);
      store.setKeyEntry(
          "node",
          credentials.key(),
          password,
          new Certificate[] {credentials.certificate(), credentials.authority()});
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(store, password);
      SSLContext context = SSLContext.getInstance(PROTOCOLS[0]);
      context.init(
          keys.getKeyManagers(), new TrustManager[] {new RunTrust(credentials.authority())}, null);
      return context;
    } catch (GeneralSecurityException | IOException e) {
      throw new TrustException("TLS cannot be set up: " + e.getMessage(), e);
    }
  }

  /** What an actor system is started with to speak as this node. */
  public static SSLEngineProviderSetup setup(Credentials credentials, Refusals refusals) {
    return setup(credentials, refusals, new Handshakes(Handshakes.LONGEST, Handshakes.MOST));
  }

  static SSLEngineProviderSetup setup(
      Credentials credentials, Refusals refusals, Handshakes handshakes) {
    return SSLEngineProviderSetup.create(
        system -> new RunTls(credentials, refusals, handshakes, system));
  }

  private SSLEngine engine(boolean client, Consumer<String> refused, Runnable over) {
    SSLEngine engine = context.createSSLEngine();
    engine.setUseClientMode(client);
    engine.setEnabledProtocols(PROTOCOLS);
    engine.setEnabledCipherSuites(SUITES);
    if (!client) {
      engine.setNeedClientAuth(true);
    }
    return new GuardedEngine(engine, refused, over);
  }

  @Override
  public SSLEngine createServerSSLEngine(String hostname, int port) {
    return engine(false, reason -> {}, handshakes.begun(system)::over);
  }

  @Override
  public SSLEngine createClientSSLEngine(String hostname, int port) {
    return engine(true, reason -> refusals.refused(hostname + ":" + port, reason), () -> {});
  }

  @Override
  public Option<Throwable> verifyClientSession(String hostname, SSLSession session) {
    return verified(session);
  }

  @Override
  public Option<Throwable> verifyServerSession(String hostname, SSLSession session) {
    return verified(session);
  }

  /** The trust manager has had its say; this holds that there was somebody to ask about. */
  private static Option<Throwable> verified(SSLSession session) {
    try {
      session.getPeerCertificates();
      return Option.empty();
    } catch (SSLPeerUnverifiedException e) {
      return Option.apply(e);
    }
  }
}
