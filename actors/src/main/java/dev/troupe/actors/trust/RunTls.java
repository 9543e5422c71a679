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

  private RunTls(Credentials credentials, Refusals refusals) {
    this.refusals = refusals;
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
      context = SSLContext.getInstance(PROTOCOLS[0]);
      context.init(
          keys.getKeyManagers(), new TrustManager[] {new RunTrust(credentials.authority())}, null);
    } catch (GeneralSecurityException | IOException e) {
      throw new TrustException("TLS cannot be set up: " + e.getMessage(), e);
    }
  }

  /** What an actor system is started with to speak as this node. */
  public static SSLEngineProviderSetup setup(Credentials credentials, Refusals refusals) {
    RunTls tls = new RunTls(credentials, refusals);
    return SSLEngineProviderSetup.create(system -> tls);
  }

  private SSLEngine engine(boolean client, Consumer<String> refused) {
    SSLEngine engine = context.createSSLEngine();
    engine.setUseClientMode(client);
    engine.setEnabledProtocols(PROTOCOLS);
    engine.setEnabledCipherSuites(SUITES);
    if (!client) {
      engine.setNeedClientAuth(true);
    }
    return new GuardedEngine(engine, refused);
  }

  @Override
  public SSLEngine createServerSSLEngine(String hostname, int port) {
    return engine(false, reason -> {});
  }

  @Override
  public SSLEngine createClientSSLEngine(String hostname, int port) {
    return engine(true, reason -> refusals.refused(hostname + ":" + port, reason));
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
