package dev.troupe.rlhf.loss;

import dev.troupe.protocol.data.Example;
import dev.troupe.protocol.data.Sequence;
import java.util.List;

/** A text to imitate; its reads are the trained tokens. */
public record SftExample(Sequence sequence) implements Example {
  @Override
  public List<Sequence> sequences() {
    return List.of(sequence);
  }
}
