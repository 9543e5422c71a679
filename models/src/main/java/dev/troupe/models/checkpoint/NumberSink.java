package dev.troupe.models.checkpoint;

/** Takes the numbers of a tensor in pieces, in their order. */
@FunctionalInterface
public interface NumberSink {
  /**
   * The next ones.
   *
   * @param numbers {@code count} of them from index 0 on, to be used at once and not kept
   */
  void put(float[] numbers, int count);
}
