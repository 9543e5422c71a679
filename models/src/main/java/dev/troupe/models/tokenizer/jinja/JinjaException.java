package dev.troupe.models.tokenizer.jinja;

/** A template that cannot be read or rendered, or that refuses what it was given. */
public final class JinjaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final boolean refusal;

  private JinjaException(String message, boolean refusal) {
    super(message);
    this.refusal = refusal;
  }

  static JinjaException of(String message) {
    return new JinjaException(message, false);
  }

  /** What the template itself says by {@code raise_exception}. */
  static JinjaException refusal(String message) {
    return new JinjaException(message, true);
  }

  /** A construct of Jinja or Python that this package does not have. */
  static JinjaException unsupported(String what) {
    return new JinjaException(what + " is not supported", false);
  }

  /** The same, told where in the template; what already knows its line stays. */
  JinjaException at(int line) {
    boolean told = refusal || String.valueOf(getMessage()).startsWith("line ");
    if (told) {
      return this;
    }
    JinjaException placed = new JinjaException("line " + line + ": " + getMessage(), false);
    placed.setStackTrace(getStackTrace());
    return placed;
  }

  /**
   * Whether the template called {@code raise_exception}; the message is then the template's own.
   */
  public boolean isRefusal() {
    return refusal;
  }
}
