package dev.troupe.protocol.data;

import java.util.List;

/**
 * Sizes over one optimiser step, however its gradient is accumulated: what a mean divides by.
 *
 * @param examples number of {@link Example}s
 * @param reads sum of N over their sequences
 */
public record BatchTotals(long examples, long reads) {
  /** Of examples that are the whole of a step. */
  public static BatchTotals of(List<? extends Example> examples) {
    long reads = 0;
    for (Example example : examples) {
      for (Sequence sequence : example.sequences()) {
        reads += sequence.reads().size();
      }
    }
    return new BatchTotals(examples.size(), reads);
  }
}
