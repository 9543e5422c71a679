package dev.troupe.engine;

/** A request that this engine cannot carry out; the message is for the user. */
public final class EngineException extends RuntimeException {
  public EngineException(String message) {
    super(message);
  }

  public EngineException(String message, Throwable cause) {
    super(message, cause);
  }
}
