package dev.troupe.protocol.data;

import java.util.Map;

/**
 * What one replica's micro-batches of a step come to.
 *
 * @param whole all micro-batches of the step
 * @param size of the role's flat buffer
 * @param sums of this replica's, by the parts of the tree that they are; none where there were
 *     fewer micro-batches than replicas
 */
public record PartialSums(Span whole, int size, Map<Span, Part> sums) {
  /**
   * Of some micro-batches.
   *
   * @param gradient of the role's flat buffer
   */
  public record Part(Accumulated figures, Floats gradient) {}

  public PartialSums {
    sums = Map.copyOf(sums);
  }
}
