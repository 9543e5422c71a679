package dev.troupe.rlhf.recipe;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * A data set in shuffled passes, cut into batches. Which batch belongs to a step follows from the
 * seed and the step alone, so a resumed run needs no cursor.
 */
final class Batches<T> {
  private final List<T> items;
  private final int batchSize;
  private final long seed;
  private final int batchesPerPass;
  private List<T> order = List.of();
  private long orderedPass = -1;

  Batches(List<T> items, int batchSize, long seed) {
    if (items.isEmpty()) {
      throw new IllegalArgumentException("there is no data to train on");
    }
    this.items = items;
    this.batchSize = batchSize;
    this.seed = seed;
    this.batchesPerPass = (items.size() + batchSize - 1) / batchSize;
  }

  /** The batch of a step, 1-based; the last of a pass may be short. */
  List<T> at(long step) {
    long pass = (step - 1) / batchesPerPass;
    if (pass != orderedPass) {
      order = new ArrayList<>(items);
      Collections.shuffle(order, new Random(Seeds.derive(seed, Seeds.Purpose.ORDER, pass)));
      orderedPass = pass;
    }
    int from = (int) ((step - 1) % batchesPerPass) * batchSize;
    return order.subList(from, Math.min(from + batchSize, order.size()));
  }
}
