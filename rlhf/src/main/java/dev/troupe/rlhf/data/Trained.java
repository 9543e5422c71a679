package dev.troupe.rlhf.data;

/** Which tokens of a text are learned. */
public enum Trained {
  /**
   * The answer's tokens and its end-of-sequence token; in a dialogue every assistant's turn. A
   * completion of several turns is learned whole, what tools say in it too, as TRL does.
   */
  COMPLETION,
  /** The same, but of a completion of several turns only the assistant's. */
  ASSISTANT,
  /** Every token that has one before it. */
  ALL
}
