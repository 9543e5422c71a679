package dev.troupe.actors.trust;

import java.security.cert.CertificateException;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;

/**
 * A peer that was refused in the handshake. It is not an {@link SSLException}: those close a
 * connection in silence, whereas Pekko's log tells the address of one that ends by anything else.
 */
final class Stranger extends RuntimeException {
  private static final Pattern LOGGED =
      Pattern.compile(
          "Aborting tcp connection to (?:[^/ ]*/)?(\\S+) because of upstream failure: "
              + Pattern.quote(Stranger.class.getName())
              + ": (.*)");

  Stranger(SSLException refusal) {
    this(reason(refusal));
  }

  /**
   * @param reason a clause about the peer as "it"
   */
  Stranger(String reason) {
    super(reason, null, false, false);
  }

  /** Why a handshake failed, a clause about the peer as "it". */
  static String reason(SSLException refusal) {
    for (Throwable cause = refusal; cause != null; cause = cause.getCause()) {
      if (cause instanceof CertificateException) {
        return String.valueOf(cause.getMessage());
      }
    }
    String message = String.valueOf(refusal.getMessage()).replaceAll("\\s+", " ");
    if (message.contains("Empty client certificate chain")
        || message.contains("Empty server certificate chain")) {
      return "it presented no certificate";
    }
    if (message.contains("Unsupported or unrecognized SSL message")
        || message.contains("plaintext connection")) {
      return "it does not speak TLS";
    }
    if (message.contains("Received fatal alert")) {
      return "it did not accept this node's certificate ("
          + message.replaceFirst(".*: *", "")
          + ")";
    }
    // An alert in the clear, where a record of the handshake should be.
    if (message.contains("Insufficient buffer remaining for AEAD")) {
      return "it hung up in the middle of the handshake";
    }
    return message;
  }

  /** The refusal that a line of Pekko's log tells of, if it does. */
  static Optional<Refusal> in(String line) {
    Matcher matcher = LOGGED.matcher(line.replace("/<unresolved>", ""));
    return matcher.matches()
        ? Optional.of(new Refusal(matcher.group(1), matcher.group(2)))
        : Optional.empty();
  }

  /**
   * A peer that was not let in.
   *
   * @param address host:port
   * @param reason a clause about "it"
   */
  record Refusal(String address, String reason) {}
}
