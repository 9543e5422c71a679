package dev.troupe.actors.role;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * Who is to be given something large, and by whom: whoever has it lends it on, so that it is
 * everywhere in a few steps. Within a node it changes hands as it stands, so that only one of each
 * node takes it by wire and the others wait for that one.
 */
final class Lending<T> {
  /** How many take it from one at a time. */
  static final int AT_A_TIME = 2;

  /** One gives it to the other. */
  record Loan<T>(T lender, T borrower) {}

  private final Function<T, String> node;

  /** Those who have it, as often as others may take it from them now. */
  private final Deque<T> lenders = new ArrayDeque<>();

  private final Map<String, Deque<T>> waiting = new HashMap<>();

  /** Nodes where somebody has it, or is about to. */
  private final Set<String> reached = new HashSet<>();

  /** Nodes of those who wait that nobody has brought it to, in the order in which they asked. */
  private final Deque<String> unreached = new ArrayDeque<>();

  /**
   * @param node of one who has it or wants it
   */
  Lending(Function<T, String> node) {
    this.node = node;
  }

  /** It has it, and lends it on. */
  void has(T owner) {
    for (int i = 0; i < AT_A_TIME; i++) {
      lenders.add(owner);
    }
    String place = node.apply(owner);
    reached.add(place);
    unreached.remove(place);
  }

  void wants(T borrower) {
    String place = node.apply(borrower);
    waiting.computeIfAbsent(place, key -> new ArrayDeque<>()).add(borrower);
    if (!reached.contains(place) && !unreached.contains(place)) {
      unreached.add(place);
    }
  }

  /** Who is to give it to whom next; nothing while all wait for others. */
  Optional<Loan<T>> next() {
    // Each lender is asked once: one that nobody needs now may be needed later.
    for (int i = lenders.size(); i > 0; i--) {
      T lender = lenders.remove();
      Optional<T> borrower = borrower(node.apply(lender));
      if (borrower.isPresent()) {
        return Optional.of(new Loan<>(lender, borrower.get()));
      }
      lenders.add(lender);
    }
    return Optional.empty();
  }

  private Optional<T> borrower(String lender) {
    Deque<T> near = waiting.get(lender);
    if (near != null && !near.isEmpty()) {
      return Optional.of(near.remove());
    }
    while (!unreached.isEmpty()) {
      String place = unreached.remove();
      T first = waiting.getOrDefault(place, new ArrayDeque<>()).poll();
      if (first != null) {
        reached.add(place);
        return Optional.of(first);
      }
    }
    return Optional.empty();
  }

  /** The borrower has it now. */
  void done(Loan<T> loan) {
    lenders.add(loan.lender());
    has(loan.borrower());
  }

  /** The borrower has it not; whether it is still there, and wants it, is for the caller to say. */
  void failed(Loan<T> loan) {
    lenders.add(loan.lender());
    leaves(node.apply(loan.borrower()));
  }

  /** One that has it, or wants it, is gone. */
  void lost(T gone) {
    lenders.removeIf(gone::equals);
    String place = node.apply(gone);
    Deque<T> there = waiting.get(place);
    if (there != null) {
      there.remove(gone);
    }
    leaves(place);
  }

  /** Whoever had it there, or was to bring it there, has not. */
  private void leaves(String place) {
    boolean stays = lenders.stream().anyMatch(lender -> node.apply(lender).equals(place));
    if (stays) {
      return;
    }
    reached.remove(place);
    if (waiting.getOrDefault(place, new ArrayDeque<>()).isEmpty()) {
      unreached.remove(place);
    } else if (!unreached.contains(place)) {
      unreached.add(place);
    }
  }
}
