package dev.troupe.protocol.event;

/** The event file cannot be read or written; the message says which, where and what to do. */
public final class EventLogException extends RuntimeException {
  public EventLogException(String message) {
    super(message);
  }

  public EventLogException(String message, Throwable cause) {
    super(message, cause);
  }
}
