package dev.troupe.actors.trust;

/** Certificates that are missing, cannot be read or are of no use; the message is complete. */
public final class TrustException extends RuntimeException {
  public TrustException(String message) {
    super(message);
  }

  TrustException(String message, Throwable cause) {
    super(message, cause);
  }
}
