package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * A response to learn from.
 *
 * @param sequence prompt and response; its N reads are the trained actions
 * @param oldLogprobs N, of the policy when it sampled
 * @param advantages N
 */
public record PolicyExample(Sequence sequence, Floats oldLogprobs, Floats advantages)
    implements Example {
  public PolicyExample {
    Shapes.same("reads", sequence.reads().size(), "oldLogprobs", oldLogprobs.size());
    Shapes.same("reads", sequence.reads().size(), "advantages", advantages.size());
  }

  @Override
  public List<Sequence> sequences() {
    return List.of(sequence);
  }
}
