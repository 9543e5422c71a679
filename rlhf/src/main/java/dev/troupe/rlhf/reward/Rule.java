package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.port.Score;

/** A reward that needs no model: the same text and reference always give the same verdict. */
@FunctionalInterface
public interface Rule {
  /**
   * The verdict on one answer. Never throws, whatever the text.
   *
   * @param answer the response's text
   * @param reference what the data say is right; empty where the rule looks at the answer alone
   */
  Score score(String answer, String reference);
}
