package dev.troupe.actors.role;

/** A message named a place that is not the run's; the message of this is for the run's user. */
public final class RunFilesException extends RuntimeException {
  RunFilesException(String message) {
    super(message);
  }

  RunFilesException(String message, Throwable cause) {
    super(message, cause);
  }
}
