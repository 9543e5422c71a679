package dev.troupe.protocol.data;

import java.util.List;

/**
 * One of several equal replicas of a role, which share the micro-batches of a step: consecutive
 * ones each, as many as the others to within one.
 *
 * @param rank from 0 on
 * @param of how many there are
 */
public record Share(int rank, int of) {
  /** Of a role that has no replicas. */
  public static final Share WHOLE = new Share(0, 1);

  public Share {
    if (rank < 0 || rank >= of) {
      throw new IllegalArgumentException("replica " + rank + " of " + of);
    }
  }

  /** The share of another of the same replicas. */
  public Share at(int other) {
    return new Share(other, of);
  }

  /** How many of so many are this one's. */
  public int count(int all) {
    return to(all) - from(all);
  }

  /** The first of so many micro-batches that is this one's. */
  public int from(int microBatches) {
    return (int) ((long) microBatches * rank / of);
  }

  /** Behind the last of so many that is this one's. */
  public int to(int microBatches) {
    return (int) ((long) microBatches * (rank + 1) / of);
  }

  /** The parts of the tree that this one's micro-batches are. */
  public List<Span> of(Span whole) {
    return whole.within(from(whole.size()), to(whole.size()));
  }
}
