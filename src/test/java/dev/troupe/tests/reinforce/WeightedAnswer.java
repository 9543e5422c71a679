package dev.troupe.tests.reinforce;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * One answer to learn from.
 *
 * @param sequence read at the answer's tokens
 * @param advantage how much better than the others of its round it was
 */
public record WeightedAnswer(Sequence sequence, double advantage) implements Example {
  @Override
  public List<Sequence> sequences() {
    return List.of(sequence);
  }
}
