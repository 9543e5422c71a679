package dev.troupe.actors.trust;

import java.math.BigInteger;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x500.X500NameBuilder;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.CertIOException;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/**
 * The certificate authority of one run. Who has a certificate of it belongs to the run, and nobody
 * else does; names of hosts are of no account. Keys are on the curve P-256, signatures ECDSA with
 * SHA-256.
 */
public final class Authority {
  /** The file in an authority's directory. */
  public static final String FILE = "authority.pem";

  /** The clocks of hosts may differ by this. */
  private static final Duration SKEW = Duration.ofHours(1);

  private static final SecureRandom RANDOM = new SecureRandom();

  private final PrivateKey key;
  private final X509Certificate certificate;

  private Authority(PrivateKey key, X509Certificate certificate) {
    this.key = key;
    this.certificate = certificate;
  }

  /**
   * A new one, in memory.
   *
   * @param name of the run, for people; a random id is put after it
   */
  public static Authority create(String name, Duration validity) {
    byte[] id = new byte[8];
    RANDOM.nextBytes(id);
    KeyPair pair = keyPair();
    X500Name subject = name("authority", name + "-" + HexFormat.of().formatHex(id));
    Instant now = Instant.now();
    X509v3CertificateBuilder builder =
        builder(subject, subject, pair.getPublic(), now.minus(SKEW), now.plus(validity));
    try {
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(0));
      builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign));
    } catch (CertIOException e) {
      throw new IllegalStateException(e);
    }
    return new Authority(pair.getPrivate(), signed(builder, pair.getPrivate()));
  }

  /** Reads {@value #FILE} of a directory that {@link #write} wrote. */
  public static Authority read(Path directory) {
    Path file = directory.resolve(FILE);
    Pem pem = Pem.read(file);
    if (pem.certificates().get(0).getBasicConstraints() < 0) {
      throw new TrustException(file + " holds a node's certificate, expected an authority's");
    }
    return new Authority(pem.key(), pem.certificates().get(0));
  }

  /** Writes key and certificate into {@value #FILE}, for this user alone. */
  public void write(Path directory) {
    new Pem(key, List.of(certificate)).write(directory.resolve(FILE));
  }

  /** The run's name and id. */
  public String run() {
    return Credentials.run(certificate);
  }

  /** When it ends, and with it all that it has issued. */
  public Instant expires() {
    return certificate.getNotAfter().toInstant();
  }

  /** A new key and certificate for a node, from now on. */
  public Credentials issue(String node, Duration validity) {
    Instant now = Instant.now();
    return issue(node, now.minus(SKEW), now.plus(validity));
  }

  /** As {@link #issue(String, Duration)}, from and until any time. */
  public Credentials issue(String node, Instant from, Instant until) {
    KeyPair pair = keyPair();
    X509v3CertificateBuilder builder =
        builder(
            X500Name.getInstance(certificate.getSubjectX500Principal().getEncoded()),
            name(node, run()),
            pair.getPublic(),
            from,
            until);
    try {
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
      builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.digitalSignature));
      builder.addExtension(
          Extension.extendedKeyUsage,
          true,
          new ExtendedKeyUsage(
              new KeyPurposeId[] {KeyPurposeId.id_kp_clientAuth, KeyPurposeId.id_kp_serverAuth}));
    } catch (CertIOException e) {
      throw new IllegalStateException(e);
    }
    return new Credentials(pair.getPrivate(), signed(builder, key), certificate);
  }

  /** A new certificate for a node, written into {@value Credentials#FILE}, for this user alone. */
  public Credentials issue(String node, Duration validity, Path directory) {
    Credentials credentials = issue(node, validity);
    credentials.write(directory.resolve(Credentials.FILE));
    return credentials;
  }

  private static X500Name name(String name, String run) {
    return new X500NameBuilder(BCStyle.INSTANCE)
        .addRDN(BCStyle.O, run)
        .addRDN(BCStyle.CN, name)
        .build();
  }

  private static X509v3CertificateBuilder builder(
      X500Name issuer, X500Name subject, PublicKey key, Instant from, Instant until) {
    return new JcaX509v3CertificateBuilder(
        issuer,
        new BigInteger(127, RANDOM),
        Date.from(from.truncatedTo(ChronoUnit.SECONDS)),
        Date.from(until.truncatedTo(ChronoUnit.SECONDS)),
        subject,
        key);
  }

  private static X509Certificate signed(X509v3CertificateBuilder builder, PrivateKey key) {
    try {
      return new JcaX509CertificateConverter()
          .getCertificate(builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(key)));
    } catch (OperatorCreationException | GeneralSecurityException e) {
      throw new IllegalStateException("every Java platform signs with ECDSA", e);
    }
  }

  private static KeyPair keyPair() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"), RANDOM);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every Java platform has the curve P-256", e);
    }
  }
}
