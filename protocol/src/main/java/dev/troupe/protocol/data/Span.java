package dev.troupe.protocol.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BinaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Consecutive micro-batches of a step, by their numbers. Each of more than one has two halves, the
 * first with the odd one, and what they come to is added in this order: sums go by a binary tree
 * that follows from the number of micro-batches alone, whoever computed them.
 *
 * @param from the first
 * @param to behind the last
 */
public record Span(int from, int to) {
  public Span {
    if (from < 0 || to <= from) {
      throw new IllegalArgumentException("micro-batches from " + from + " up to " + to);
    }
  }

  public int size() {
    return to - from;
  }

  private int middle() {
    return from + (size() + 1) / 2;
  }

  /** Of more than one micro-batch. */
  public Span first() {
    return new Span(from, middle());
  }

  /** Of more than one micro-batch. */
  public Span second() {
    return new Span(middle(), to);
  }

  private boolean holds(Span other) {
    return from <= other.from && other.to <= to;
  }

  /** Whether the sum of these micro-batches is a part of this one's. */
  public boolean parts(Span other) {
    Span at = this;
    while (!at.equals(other)) {
      if (at.size() == 1 || !at.holds(other)) {
        return false;
      }
      at = at.first().holds(other) ? at.first() : at.second();
    }
    return true;
  }

  /**
   * The fewest parts of this tree that are these micro-batches together, in their order.
   *
   * @param start the first
   * @param end behind the last; nothing where it is not greater
   */
  public List<Span> within(int start, int end) {
    List<Span> found = new ArrayList<>();
    collect(start, end, found);
    return found;
  }

  private void collect(int start, int end, List<Span> found) {
    if (end <= from || to <= start || end <= start) {
      return;
    }
    if (start <= from && to <= end) {
      found.add(this);
    } else {
      first().collect(start, end, found);
      second().collect(start, end, found);
    }
  }

  /**
   * Adds up what parts of this tree come to, in its order.
   *
   * @param sums of parts that are the whole of it together
   */
  public <T> T sum(Map<Span, T> sums, BinaryOperator<T> plus) {
    @Nullable T known = sums.get(this);
    if (known != null) {
      return known;
    }
    if (size() == 1) {
      throw new IllegalArgumentException("nothing is known of the micro-batch " + from);
    }
    return plus.apply(first().sum(sums, plus), second().sum(sums, plus));
  }
}
