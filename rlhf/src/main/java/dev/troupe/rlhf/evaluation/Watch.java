package dev.troupe.rlhf.evaluation;

/** Hears how far a measure is. */
@FunctionalInterface
public interface Watch {
  /**
   * So much is done.
   *
   * @param total of it
   */
  void done(int count, int total);
}
