package dev.troupe.rlhf.port;

/** A scorer cannot be used, or has broken its contract; the message names it and what to do. */
public final class ScorerException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public ScorerException(String message) {
    super(message);
  }

  public ScorerException(String message, Throwable cause) {
    super(message, cause);
  }
}
