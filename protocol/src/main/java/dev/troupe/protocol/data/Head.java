package dev.troupe.protocol.data;

/** What a role reads from the hidden states. */
public enum Head {
  /** The language-model head: log-probabilities. */
  LANGUAGE_MODEL,
  /**
   * One number per position: values of a critic, scores of a reward model. Linear(hidden, 1)
   * without bias.
   */
  VALUE
}
