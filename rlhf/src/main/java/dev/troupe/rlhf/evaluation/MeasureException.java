package dev.troupe.rlhf.evaluation;

/** A measure could not be taken; the message says which and why. */
public final class MeasureException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public MeasureException(String message) {
    super(message);
  }
}
