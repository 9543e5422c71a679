package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * Two answers to one prompt and what the frozen reference says of them; it says 0 where the loss
 * has no reference (CPO, SimPO).
 *
 * @param chosen its reads are the answer's tokens
 * @param rejected likewise
 * @param refChosenLogprob sum over the chosen side's reads
 * @param refRejectedLogprob sum over the rejected side's reads
 * @param sftLength what the SFT term divides the sum over the chosen answer's tokens by: their
 *     number for a mean per answer, the mean of that number over the step's pairs for a mean over
 *     the step's tokens (TRL)
 */
public record DpoPair(
    Sequence chosen,
    Sequence rejected,
    double refChosenLogprob,
    double refRejectedLogprob,
    double sftLength)
    implements Example {
  public DpoPair {
    Limit.above("sftLength", sftLength, 0);
  }

  /** With the SFT term as a mean per answer. */
  public DpoPair(
      Sequence chosen, Sequence rejected, double refChosenLogprob, double refRejectedLogprob) {
    this(
        chosen, rejected, refChosenLogprob, refRejectedLogprob, Math.max(1, chosen.reads().size()));
  }

  @Override
  public List<Sequence> sequences() {
    return List.of(chosen, rejected);
  }
}
