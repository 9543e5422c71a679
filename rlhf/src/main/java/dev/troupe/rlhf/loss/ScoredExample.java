package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/**
 * An answer with the scores that a reward model is to give it.
 *
 * @param sequence its N reads are where a score belongs: the last token, or the end of each step
 * @param targets N
 */
public record ScoredExample(Sequence sequence, Floats targets) implements Example {
  public ScoredExample {
    Shapes.same("reads", sequence.reads().size(), "targets", targets.size());
  }

  @Override
  public List<Sequence> sequences() {
    return List.of(sequence);
  }
}
