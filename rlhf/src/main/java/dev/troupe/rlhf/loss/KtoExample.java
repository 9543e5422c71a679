package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * An answer that somebody found good or bad, and what the frozen reference says of it.
 *
 * @param sequence its reads are the answer's tokens
 * @param desirable whether it was found good
 * @param refLogprob sum over the reads
 */
public record KtoExample(Sequence sequence, boolean desirable, double refLogprob)
    implements Example {
  @Override
  public List<Sequence> sequences() {
    return List.of(sequence);
  }
}
