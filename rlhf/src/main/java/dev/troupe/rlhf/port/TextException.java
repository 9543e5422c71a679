package dev.troupe.rlhf.port;

/** A text that cannot be tokenized; the message says why, and who knows where it stands adds it. */
public final class TextException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public TextException(String message, Throwable cause) {
    super(message, cause);
  }
}
