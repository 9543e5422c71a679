package dev.troupe.rlhf.data;

import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.DpoPair;
import dev.troupe.rlhf.loss.RankedPair;
import java.util.Arrays;
import java.util.List;

/**
 * A prompt and two answers as tokens.
 *
 * @param prompt at least one token
 * @param chosen the better answer, its end-of-sequence token included unless it was truncated
 * @param rejected the other
 * @param margin by how much chosen should win at least
 */
public record TokenPair(TokenIds prompt, TokenIds chosen, TokenIds rejected, double margin) {
  /** Read at the answers' tokens. */
  public Sequence chosenSequence() {
    return Sequence.ofTargets(prompt.concat(chosen), prompt.size());
  }

  /** Chosen as a text to imitate: read at its answer's tokens, or at the prompt's too. */
  public Sequence imitated(boolean promptToo) {
    return Sequence.ofTargets(prompt.concat(chosen), promptToo ? 1 : prompt.size());
  }

  /** Read at the answers' tokens. */
  public Sequence rejectedSequence() {
    return Sequence.ofTargets(prompt.concat(rejected), prompt.size());
  }

  /** For the last-token reward loss. */
  public RankedPair lastToken() {
    return RankedPair.lastToken(prompt.concat(chosen), prompt.concat(rejected), margin);
  }

  /**
   * For DeepSpeed-Chat's token-wise reward loss, with the end-of-sequence token as padding, as
   * Llama models have it there: the end of sequence itself is then no part of an answer.
   */
  public RankedPair tokenWise(int endOfSequence) {
    return RankedPair.tokenWise(
        withoutEnd(prompt.concat(chosen), endOfSequence),
        withoutEnd(prompt.concat(rejected), endOfSequence),
        endOfSequence);
  }

  /** For DPO, given the reference's summed log-probabilities of the two answers; 0 without one. */
  public DpoPair dpo(double refChosenLogprob, double refRejectedLogprob) {
    return new DpoPair(chosenSequence(), rejectedSequence(), refChosenLogprob, refRejectedLogprob);
  }

  /** Its answers by themselves: a good and a bad one. */
  public List<JudgedAnswer> judged() {
    return List.of(
        new JudgedAnswer(prompt, chosen, true), new JudgedAnswer(prompt, rejected, false));
  }

  private static TokenIds withoutEnd(TokenIds tokens, int endOfSequence) {
    int size = tokens.size();
    boolean ends = size > 1 && tokens.get(size - 1) == endOfSequence;
    return ends ? new TokenIds(Arrays.copyOf(tokens.values(), size - 1)) : tokens;
  }
}
