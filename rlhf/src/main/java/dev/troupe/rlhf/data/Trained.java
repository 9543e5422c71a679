package dev.troupe.rlhf.data;

/** Which tokens of a text are learned. */
public enum Trained {
  /** The answer's tokens and its end-of-sequence token; in a dialogue every assistant's turn. */
  COMPLETION,
  /** Every token that has one before it. */
  ALL
}
