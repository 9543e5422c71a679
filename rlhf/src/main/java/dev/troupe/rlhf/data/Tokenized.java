package dev.troupe.rlhf.data;

import java.util.List;

/** Examples and what the length policy made of the records. */
public record Tokenized<T>(List<T> examples, LengthReport report) {
  public Tokenized {
    examples = List.copyOf(examples);
  }
}
