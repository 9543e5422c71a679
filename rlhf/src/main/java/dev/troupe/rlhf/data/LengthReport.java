package dev.troupe.rlhf.data;

/**
 * What the length policy did.
 *
 * @param kept examples, those truncated among them
 * @param truncated examples that lost tokens
 * @param dropped examples left out
 * @param longest tokens of the longest example, before truncation
 */
public record LengthReport(int kept, int truncated, int dropped, int longest) {
  /** One line for a person. */
  public String describe(String what) {
    return kept
        + " "
        + what
        + " ("
        + dropped
        + " dropped as too long, "
        + truncated
        + " truncated; the longest had "
        + longest
        + " tokens)";
  }
}
