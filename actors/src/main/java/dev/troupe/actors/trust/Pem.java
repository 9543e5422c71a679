package dev.troupe.actors.trust;

import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;

/**
 * A private key and certificates as PEM text. Errors name the file, never what is in it: it may not
 * be the user's.
 */
record Pem(PrivateKey key, List<X509Certificate> certificates) {
  private static final Set<PosixFilePermission> OWNER_ALONE =
      PosixFilePermissions.fromString("rw-------");

  /**
   * @param where names the text in errors
   */
  static Pem parse(String text, String where) {
    List<PrivateKey> keys = new ArrayList<>();
    List<X509Certificate> certificates = new ArrayList<>();
    try (PEMParser parser = new PEMParser(new StringReader(text))) {
      for (Object part = parser.readObject(); part != null; part = parser.readObject()) {
        if (part instanceof X509CertificateHolder certificate) {
          certificates.add(new JcaX509CertificateConverter().getCertificate(certificate));
        } else if (part instanceof PrivateKeyInfo key) {
          keys.add(new JcaPEMKeyConverter().getPrivateKey(key));
        } else if (part instanceof PEMKeyPair pair) {
          keys.add(new JcaPEMKeyConverter().getKeyPair(pair).getPrivate());
        }
      }
    } catch (IOException | GeneralSecurityException | RuntimeException e) {
      throw new TrustException(where + " cannot be read as PEM; " + HOW, e);
    }
    if (keys.size() != 1 || certificates.isEmpty()) {
      throw new TrustException(
          where
              + " holds "
              + keys.size()
              + " private keys and "
              + certificates.size()
              + " certificates, expected one key and its certificates; "
              + HOW);
    }
    return new Pem(keys.get(0), List.copyOf(certificates));
  }

  private static final String HOW = "make them with: troupe certificates DIR";

  /** Reads a file that only its owner may read. */
  static Pem read(Path file) {
    try {
      PosixFileAttributeView view = Files.getFileAttributeView(file, PosixFileAttributeView.class);
      if (view != null && !OWNER_ALONE.containsAll(view.readAttributes().permissions())) {
        throw new TrustException(
            file
                + " can be read by others ("
                + PosixFilePermissions.toString(view.readAttributes().permissions())
                + "), and a private key is in it; chmod 600 it, or make new ones if others are on"
                + " this machine");
      }
      return parse(Files.readString(file), file.toString());
    } catch (NoSuchFileException e) {
      throw new TrustException(file + " does not exist; " + HOW, e);
    } catch (IOException e) {
      throw new TrustException(file + " cannot be read: " + e.getClass().getSimpleName(), e);
    }
  }

  /** Of a certificate. */
  static String text(X509Certificate certificate) {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(certificate);
    } catch (IOException e) {
      throw new IllegalStateException("written into memory", e);
    }
    return text.toString();
  }

  String text() {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(new JcaPKCS8Generator(key, null));
      for (X509Certificate certificate : certificates) {
        writer.writeObject(certificate);
      }
    } catch (IOException e) {
      throw new IllegalStateException("written into memory", e);
    }
    return text.toString();
  }

  /** Writes a file that is its owner's alone from the first byte on, whole or not at all. */
  void write(Path file) {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    try {
      Files.deleteIfExists(part);
      Files.createFile(part, PosixFilePermissions.asFileAttribute(OWNER_ALONE));
      Files.writeString(
          part,
          text(),
          StandardOpenOption.WRITE,
          StandardOpenOption.SYNC,
          LinkOption.NOFOLLOW_LINKS);
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new TrustException(file + " cannot be written: " + e, e);
    }
  }
}
