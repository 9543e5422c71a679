package dev.troupe.rlhf.recipe;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/** The parts of a round that are learned from one after another, one optimiser step each. */
final class Minibatches {
  private Minibatches() {}

  /** In another order. */
  static <T> List<T> shuffled(List<T> all, long seed) {
    List<T> shuffled = new ArrayList<>(all);
    Collections.shuffle(shuffled, new Random(seed));
    return shuffled;
  }

  /** As even as can be, as many as wanted or as there are items; none is empty. */
  static <T> List<List<T>> of(List<T> all, int wanted) {
    int count = Math.min(wanted, all.size());
    List<List<T>> parts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      parts.add(all.subList(i * all.size() / count, (i + 1) * all.size() / count));
    }
    return parts;
  }
}
