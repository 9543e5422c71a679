package dev.troupe.rlhf.port;

/**
 * An environment cannot be used, or has broken its contract; the message names it and what to do.
 * It ends the run: what ends one episode alone is an {@link EpisodeException}.
 */
public final class EnvironmentException extends RuntimeException {
  private static final long serialVersionUID = 1;

  public EnvironmentException(String message) {
    super(message);
  }

  public EnvironmentException(String message, Throwable cause) {
    super(message, cause);
  }
}
