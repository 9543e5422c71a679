package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * Two answers to one prompt for a loss without a reference that imitates the chosen one.
 *
 * @param chosen its reads are the tokens to imitate: the answer's, or (TRL) the prompt's too
 * @param rejected its reads are the answer's tokens
 * @param answerFrom index of the answer's first read among the chosen side's
 * @param sftLength what the imitation divides the sum over the chosen side's reads by: their
 *     number, or the mean of that number over the step's pairs for a mean over the step's tokens
 *     (TRL)
 */
public record OrpoPair(Sequence chosen, Sequence rejected, int answerFrom, double sftLength)
    implements Example {
  public OrpoPair {
    if (answerFrom < 0 || answerFrom > chosen.reads().size()) {
      throw new IllegalArgumentException(
          "answerFrom is "
              + answerFrom
              + " and the chosen side has "
              + chosen.reads().size()
              + " reads");
    }
    Limit.above("sftLength", sftLength, 0);
  }

  @Override
  public List<Sequence> sequences() {
    return List.of(chosen, rejected);
  }
}
