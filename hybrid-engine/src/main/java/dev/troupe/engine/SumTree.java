package dev.troupe.engine;

import dev.troupe.protocol.data.Span;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BinaryOperator;

/**
 * Adds up what the micro-batches of a step come to along the tree of a {@link Span}. Whoever brings
 * the second of two halves adds them, on its own thread. So the sum does not depend on who brings
 * what and when; and where they come about in the order of their numbers, the sums that wait are
 * few: about the logarithm of their number, and one for each thread.
 */
final class SumTree<T> {
  private final Span whole;
  private final BinaryOperator<T> plus;
  private final Map<Span, T> waiting = new HashMap<>();

  /**
   * @param plus may change and return the first; owns both
   */
  SumTree(Span whole, BinaryOperator<T> plus) {
    this.whole = whole;
    this.plus = plus;
  }

  /** Each number once, from any thread. */
  void add(int number, T part) {
    Deque<Span> around = new ArrayDeque<>();
    Span at = whole;
    while (at.size() > 1) {
      around.push(at);
      at = number < at.second().from() ? at.first() : at.second();
    }
    T sum = part;
    for (Span parent : around) {
      boolean first = parent.first().equals(at);
      T other;
      synchronized (waiting) {
        other = waiting.remove(first ? parent.second() : parent.first());
        if (other == null) {
          waiting.put(at, sum);
          return;
        }
      }
      sum = first ? plus.apply(sum, other) : plus.apply(other, sum);
      at = parent;
    }
    synchronized (waiting) {
      waiting.put(at, sum);
    }
  }

  /** Sums of parts of the tree that are not yet part of a larger one; the caller's from then on. */
  Map<Span, T> take() {
    synchronized (waiting) {
      Map<Span, T> taken = Map.copyOf(waiting);
      waiting.clear();
      return taken;
    }
  }
}
