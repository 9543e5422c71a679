package dev.troupe.actors.trust;

import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.bouncycastle.asn1.x500.RDN;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x500.style.IETFUtils;

/**
 * What makes a JVM a node of a run: a key, its certificate, and the authority whose certificates
 * alone it accepts from others.
 */
public record Credentials(PrivateKey key, X509Certificate certificate, X509Certificate authority) {
  /** The file in a node's directory. */
  public static final String FILE = "node.pem";

  /** The line after a node's credentials where they are handed over by standard input. */
  public static final String END = "END OF CREDENTIALS";

  /** Before this, a run that starts is told that its certificate ends soon. */
  private static final Duration SOON = Duration.ofDays(7);

  /** Reads {@value #FILE} of a directory that {@code troupe certificates} made for a node. */
  public static Credentials read(Path directory) {
    return of(Pem.read(directory.resolve(FILE)), directory.resolve(FILE).toString());
  }

  /** As {@link #text} wrote it; {@code where} names it in errors. */
  public static Credentials parse(String text, String where) {
    return of(Pem.parse(text, where), where);
  }

  private static Credentials of(Pem pem, String where) {
    if (pem.certificates().size() != 2) {
      throw new TrustException(
          where
              + " holds "
              + pem.certificates().size()
              + " certificates, expected two: the node's and its authority's");
    }
    return new Credentials(pem.key(), pem.certificates().get(0), pem.certificates().get(1));
  }

  /** As PEM, the private key included. */
  public String text() {
    return new Pem(key, List.of(certificate, authority)).text();
  }

  /** The authority's certificate alone, as PEM. */
  public String authorityText() {
    return Pem.text(authority);
  }

  void write(Path file) {
    new Pem(key, List.of(certificate, authority)).write(file);
  }

  /** Of this certificate and no other: its serial number. */
  public String id() {
    return certificate.getSerialNumber().toString(16);
  }

  /** The run that the authority is of. */
  public String run() {
    return run(authority);
  }

  /** What a certificate says of the run that it is for, fit to be shown whoever wrote it. */
  static String run(X509Certificate certificate) {
    RDN[] names =
        X500Name.getInstance(certificate.getSubjectX500Principal().getEncoded()).getRDNs(BCStyle.O);
    String name =
        names.length == 0 ? "none" : IETFUtils.valueToString(names[0].getFirst().getValue());
    String plain = name.replaceAll("[^\\w .:@+-]", "?");
    return plain.length() > 60 ? plain.substring(0, 60) + "…" : plain;
  }

  /** When the certificate, or its authority's, ends. */
  public Instant expires() {
    Instant own = certificate.getNotAfter().toInstant();
    Instant above = authority.getNotAfter().toInstant();
    return own.isBefore(above) ? own : above;
  }

  /** Whether it ends within a week. */
  public boolean endsSoon(Instant now) {
    return expires().isBefore(now.plus(SOON));
  }

  /**
   * @throws TrustException when others would refuse it
   */
  public Credentials checked(Instant now) {
    if (!now.isBefore(expires())) {
      throw new TrustException(
          "the certificate of run "
              + run()
              + " expired on "
              + expires()
              + "; renew it with: troupe certificates DIR --renew");
    }
    return this;
  }
}
