package dev.troupe.models.tokenizer.expression;

/** An expression whose cost cannot be judged; the message says what in it. */
public final class ExpressionException extends RuntimeException {
  private static final long serialVersionUID = 1;

  ExpressionException(String message) {
    super(message);
  }
}
