package dev.troupe.rlhf.data;

import java.util.List;

/**
 * Examples and what became of the records.
 *
 * @param notices what of the records no example has, a line each
 */
public record Tokenized<T>(List<T> examples, LengthReport report, List<String> notices) {
  public Tokenized {
    examples = List.copyOf(examples);
    notices = List.copyOf(notices);
  }
}
