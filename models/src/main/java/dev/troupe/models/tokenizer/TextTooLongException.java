package dev.troupe.models.tokenizer;

/** A text longer than a tokenizer can safely take; the message says how long it may be. */
public final class TextTooLongException extends RuntimeException {
  private static final long serialVersionUID = 1;

  TextTooLongException(String message) {
    super(message);
  }
}
