package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * A response to learn from.
 *
 * @param sequence prompt and response; its N reads are the trained actions
 * @param oldLogprobs N, of the policy when it sampled, or of the proximal policy where the rollout
 *     is older
 * @param advantages N
 * @param refLogprobs N, of the reference; empty where the loss has no {@link KlTerm}
 * @param length what {@link Averaging#SEQUENCE} divides the sum over this response's tokens by: N
 *     for the mean of each sequence (GRPO), the limit on new tokens for a sum free of length bias
 *     (Dr.GRPO, Liu et al. 2025, arXiv:2503.20783), the mean N of the answers to its prompt for a
 *     mean over each prompt's tokens (ScaleRL, Khatri et al. 2025, arXiv:2510.13786)
 */
public record PolicyExample(
    Sequence sequence, Floats oldLogprobs, Floats advantages, Floats refLogprobs, double length)
    implements Example {
  public PolicyExample {
    int reads = sequence.reads().size();
    Shapes.same("reads", reads, "oldLogprobs", oldLogprobs.size());
    Shapes.same("reads", reads, "advantages", advantages.size());
    if (refLogprobs.size() > 0) {
      Shapes.same("reads", reads, "refLogprobs", refLogprobs.size());
    }
    if (reads > 0) {
      Limit.above("length", length, 0);
    }
  }

  /** Without a reference, averaged over its own tokens. */
  public PolicyExample(Sequence sequence, Floats oldLogprobs, Floats advantages) {
    this(sequence, oldLogprobs, advantages, Floats.EMPTY, sequence.reads().size());
  }

  @Override
  public List<Sequence> sequences() {
    return List.of(sequence);
  }
}
