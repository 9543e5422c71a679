package dev.troupe.models.checkpoint;

/**
 * Files of a model (weights, configuration, tokenizer, adapter) that cannot be used; the message
 * says all a user needs.
 */
public final class CheckpointException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public CheckpointException(String message) {
    super(message);
  }

  public CheckpointException(String message, Throwable cause) {
    super(message, cause);
  }
}
