package dev.troupe.actors.role;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Who is to be given something large, and by whom. Within a node it changes hands as it stands, so
 * that only one of each node takes it by wire and the others wait for that one.
 */
final class Borrowers<T> {
  private final Function<T, String> node;
  private final Map<String, Deque<T>> waiting = new HashMap<>();

  /** Nodes where somebody has it, or is about to. */
  private final Set<String> reached = new HashSet<>();

  /** Nodes of those who wait that nobody has brought it to, in the order in which they asked. */
  private final Deque<String> unreached = new ArrayDeque<>();

  /**
   * @param node of one who waits
   */
  Borrowers(Function<T, String> node) {
    this.node = node;
  }

  /** Somebody there has it. */
  void reached(String place) {
    reached.add(place);
    unreached.remove(place);
  }

  /** Whoever had it there, or was to bring it there, has not. */
  void lost(String place) {
    reached.remove(place);
    if (!waiting.getOrDefault(place, new ArrayDeque<>()).isEmpty()) {
      unreached.add(place);
    }
  }

  void add(T borrower) {
    String place = node.apply(borrower);
    Deque<T> there = waiting.computeIfAbsent(place, key -> new ArrayDeque<>());
    there.add(borrower);
    if (!reached.contains(place) && !unreached.contains(place)) {
      unreached.add(place);
    }
  }

  /** Whom a lender on a node is to give it to; nobody, while all wait for others. */
  @Nullable T next(String lender) {
    T near = waiting.getOrDefault(lender, new ArrayDeque<>()).poll();
    if (near != null) {
      return near;
    }
    String place = unreached.poll();
    if (place == null) {
      return null;
    }
    reached.add(place);
    return waiting.getOrDefault(place, new ArrayDeque<>()).poll();
  }
}
