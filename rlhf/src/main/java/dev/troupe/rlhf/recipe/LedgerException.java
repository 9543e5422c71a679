package dev.troupe.rlhf.recipe;

/** A sample took a step that it could not take, or the books do not balance: a defect. */
public final class LedgerException extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  LedgerException(String message) {
    super(message);
  }
}
