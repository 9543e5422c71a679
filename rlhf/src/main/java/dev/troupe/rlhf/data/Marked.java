package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.TokenIds;
import java.util.Arrays;

/**
 * Tokens and which of them are learned.
 *
 * @param said one per token: whether it is an answer's
 * @param masked one per token: whether the data say that it is not to be learned
 */
record Marked(TokenIds tokens, boolean[] said, boolean[] masked) {
  /** All of it is said. */
  static Marked said(TokenIds tokens) {
    boolean[] said = new boolean[tokens.size()];
    Arrays.fill(said, true);
    return new Marked(tokens, said, new boolean[tokens.size()]);
  }

  /**
   * No more tokens than this: the last answer stays whole where it fits, and what comes before it
   * loses its beginning. Of an earlier answer without its beginning nothing is learned. An answer
   * that does not fit with one token before it loses its end.
   *
   * @param begins whether the first token is a beginning of sequence, which stays
   */
  Marked lastOf(int limit, boolean begins) {
    int end = said.length;
    while (end > 0 && !said[end - 1]) {
      end--;
    }
    int answer = end;
    while (answer > 0 && said[answer - 1]) {
      answer--;
    }
    int from = Math.max(0, Math.min(said.length - limit, answer - 1));
    int[] kept = Arrays.copyOfRange(tokens.values(), from, from + limit);
    boolean[] marks = Arrays.copyOfRange(said, from, from + limit);
    boolean[] hidden = Arrays.copyOfRange(masked, from, from + limit);
    for (int i = 0; from > 0 && from + i < answer && marks[i]; i++) {
      marks[i] = false;
    }
    if (begins) {
      kept[0] = tokens.get(0);
      marks[0] = false;
    }
    return new Marked(new TokenIds(kept), marks, hidden);
  }
}
