package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * A response for the critic.
 *
 * @param sequence prompt and response; its N reads are the states before the trained actions
 * @param oldValues N, of the critic when the experience was made
 * @param returns N, the targets
 */
public record ValueExample(Sequence sequence, Floats oldValues, Floats returns) implements Example {
  public ValueExample {
    Shapes.same("reads", sequence.reads().size(), "oldValues", oldValues.size());
    Shapes.same("reads", sequence.reads().size(), "returns", returns.size());
  }

  @Override
  public List<Sequence> sequences() {
    return List.of(sequence);
  }
}
