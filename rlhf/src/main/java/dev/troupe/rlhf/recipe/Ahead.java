package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Rollout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;

/**
 * Rounds that are begun before their turn, so that they are sampled while others are learned from.
 * Round r is begun when round r − k is about to be learned from, by the weights that r − k − 1
 * left: which weights answer which prompts follows from k alone, and not from who was how fast. So
 * nothing is ever too old, and a run ends in the same bytes wherever its roles are.
 *
 * @param <R> a round on its way
 */
final class Ahead<R> {
  /** Begins rounds, each once and in their order. */
  interface Begin<R> {
    /**
     * @param round 1-based
     * @param known its answers, where an earlier run had them sampled
     */
    R round(long round, Optional<List<Rollout>> known);
  }

  private final int staleness;
  private final long last;
  private final Begin<R> begin;
  private final Deque<R> begun = new ArrayDeque<>();
  private long next;

  /**
   * @param staleness k
   * @param last round of the stage
   * @param done rounds that were learned from before
   * @param known answers of those that follow, as far as they were begun
   */
  Ahead(int staleness, long last, long done, List<List<Rollout>> known, Begin<R> begin) {
    this.staleness = staleness;
    this.last = last;
    this.begin = begin;
    next = done + 1;
    known.forEach(rollouts -> begin(Optional.of(rollouts)));
  }

  private void begin(Optional<List<Rollout>> known) {
    begun.add(begin.round(next, known));
    next++;
  }

  /** The next round to learn from; those that may be sampled meanwhile are begun. */
  R take() {
    while (begun.size() <= staleness && next <= last) {
      begin(Optional.empty());
    }
    return begun.remove();
  }

  /** Begun and not yet taken, in their order. */
  List<R> waiting() {
    return List.copyOf(begun);
  }
}
