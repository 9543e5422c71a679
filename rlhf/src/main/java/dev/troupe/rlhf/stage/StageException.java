package dev.troupe.rlhf.stage;

/** A stage that was found cannot be one; the message tells which, and how to mend it. */
public final class StageException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  StageException(String message) {
    super(message);
  }

  StageException(String message, Throwable cause) {
    super(message, cause);
  }
}
