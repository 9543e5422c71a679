package dev.troupe.engine.generation;

/** Why nothing can be generated, as a user reads it. */
public final class GenerationException extends RuntimeException {
  public GenerationException(String message) {
    super(message);
  }
}
