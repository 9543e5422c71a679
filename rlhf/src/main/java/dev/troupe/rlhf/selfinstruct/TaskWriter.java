package dev.troupe.rlhf.selfinstruct;

import java.util.List;

/** The model that writes tasks. */
public interface TaskWriter {
  /**
   * Continues a text.
   *
   * @param stop texts that end it, which are not part of it
   * @param longest in tokens
   * @param seed of the choice of tokens; where the model can, the same seed gives the same text
   */
  Written write(String prompt, List<String> stop, int longest, long seed);

  /**
   * A continuation.
   *
   * @param cut whether it ended for its length and not by itself
   */
  record Written(String text, boolean cut) {}
}
