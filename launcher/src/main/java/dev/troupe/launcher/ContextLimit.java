package dev.troupe.launcher;

/** Refuses what the model cannot read, before it is given to it. */
final class ContextLimit {
  private ContextLimit() {}

  /** A prompt needs room for one token of an answer. */
  static void check(String what, int tokens, int contextLength) {
    if (tokens == 0) {
      throw new UserException(what + " is empty; it needs at least one token");
    }
    if (tokens >= contextLength) {
      throw new UserException(
          what
              + " has "
              + tokens
              + " tokens, the model's context is "
              + contextLength
              + " (max_position_embeddings); shorten it to at most "
              + (contextLength - 1)
              + " so that an answer fits");
    }
  }
}
