package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import java.util.Arrays;

/**
 * A prompt and an answer that somebody found good or bad, as tokens.
 *
 * @param prompt at least one token
 * @param answer its end-of-sequence token included unless it was truncated
 */
public record JudgedAnswer(TokenIds prompt, TokenIds answer, boolean good) {
  /** Read at the answer's tokens. */
  public Sequence sequence() {
    return Sequence.ofTargets(prompt.concat(answer), prompt.size());
  }

  /** This prompt with another's answer, which loses its end beyond {@code maxTokens} in all. */
  public Sequence withAnswerOf(JudgedAnswer other, int maxTokens) {
    int room = Math.max(1, maxTokens - prompt.size());
    TokenIds said = other.answer;
    TokenIds cut = said.size() <= room ? said : new TokenIds(Arrays.copyOf(said.values(), room));
    return Sequence.ofTargets(prompt.concat(cut), prompt.size());
  }
}
