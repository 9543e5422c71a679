package dev.troupe.protocol.data;

import java.util.Arrays;

/**
 * A token sequence and the positions at which the model is read. Reading position p yields log
 * p(token[p+1] | token[0..p]), the entropy of that distribution, and the head's value of the hidden
 * state p. So the log-probability of token t, and the critic's value of the state before it, are
 * both read at t-1; a reward model's score is read at the last token.
 *
 * @param tokens T token ids
 * @param reads N strictly increasing positions in [0, T); T-1 only where no log-probability is
 *     asked for
 */
public record Sequence(TokenIds tokens, TokenIds reads) {
  public Sequence {
    int previous = -1;
    for (int read : reads.values()) {
      if (read <= previous || read >= tokens.size()) {
        throw new IllegalArgumentException(
            "reads must rise strictly within [0, "
                + tokens.size()
                + "), found "
                + Arrays.toString(reads.values()));
      }
      previous = read;
    }
  }

  /** Reads the log-probabilities of tokens {@code from} … T-1 (a {@code from} of 0 counts as 1). */
  public static Sequence ofTargets(TokenIds tokens, int from) {
    int first = Math.max(from, 1) - 1;
    int[] reads = new int[Math.max(0, tokens.size() - 1 - first)];
    Arrays.setAll(reads, i -> first + i);
    return new Sequence(tokens, new TokenIds(reads));
  }

  /** Reads the last token alone: a reward model's score. */
  public static Sequence ofLast(TokenIds tokens) {
    return new Sequence(tokens, TokenIds.of(tokens.size() - 1));
  }
}
