package dev.troupe.actors.trust;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Set;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * Trusts whom the run's own authority has certified, whatever their address. Its refusals are
 * sentences for people.
 */
final class RunTrust extends X509ExtendedTrustManager {
  private static final String CLIENT = "1.3.6.1.5.5.7.3.2";
  private static final String SERVER = "1.3.6.1.5.5.7.3.1";

  private final X509Certificate authority;

  RunTrust(X509Certificate authority) {
    this.authority = authority;
  }

  private void check(X509Certificate @Nullable [] chain, String purpose)
      throws CertificateException {
    if (chain == null || chain.length == 0) {
      throw new CertificateException("it presented no certificate");
    }
    X509Certificate certificate = chain[0];
    String run = Credentials.run(authority);
    try {
      certificate.verify(authority.getPublicKey());
    } catch (GeneralSecurityException | RuntimeException e) {
      throw new CertificateException(
          "its certificate is of another authority (run "
              + Credentials.run(certificate)
              + "), expected one of run "
              + run,
          e);
    }
    try {
      certificate.checkValidity();
      authority.checkValidity();
    } catch (CertificateExpiredException e) {
      throw new CertificateException(
          "its certificate expired on " + certificate.getNotAfter().toInstant(), e);
    } catch (CertificateNotYetValidException e) {
      throw new CertificateException(
          "its certificate is valid only from " + certificate.getNotBefore().toInstant() + " on",
          e);
    }
    try {
      PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(authority, null)));
      parameters.setRevocationEnabled(false);
      CertPathValidator.getInstance("PKIX")
          .validate(
              CertificateFactory.getInstance("X.509").generateCertPath(List.of(certificate)),
              parameters);
      if (certificate.getBasicConstraints() >= 0
          || certificate.getExtendedKeyUsage() == null
          || !certificate.getExtendedKeyUsage().contains(purpose)) {
        throw new CertificateException("its certificate is not a node's");
      }
    } catch (CertificateException e) {
      throw e;
    } catch (GeneralSecurityException e) {
      throw new CertificateException("its certificate is not valid for run " + run, e);
    }
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type) throws CertificateException {
    check(chain, CLIENT);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type) throws CertificateException {
    check(chain, SERVER);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket)
      throws CertificateException {
    check(chain, CLIENT);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
      throws CertificateException {
    check(chain, SERVER);
  }

  @Override
  public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine)
      throws CertificateException {
    check(chain, CLIENT);
  }

  @Override
  public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
      throws CertificateException {
    check(chain, SERVER);
  }

  @Override
  public X509Certificate[] getAcceptedIssuers() {
    return new X509Certificate[] {authority};
  }
}
