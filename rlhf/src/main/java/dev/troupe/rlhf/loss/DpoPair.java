package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * Two answers to one prompt and what the frozen reference says of them.
 *
 * @param chosen its reads are the answer's tokens
 * @param rejected likewise
 * @param refChosenLogprob sum over the chosen side's reads
 * @param refRejectedLogprob sum over the rejected side's reads
 */
public record DpoPair(
    Sequence chosen, Sequence rejected, double refChosenLogprob, double refRejectedLogprob)
    implements Example {
  @Override
  public List<Sequence> sequences() {
    return List.of(chosen, rejected);
  }
}
