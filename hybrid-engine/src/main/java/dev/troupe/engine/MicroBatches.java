package dev.troupe.engine;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;

/** Splits work into batches of similar length, so that little of a batch is padding. */
final class MicroBatches {
  /**
   * Chosen when nothing else is asked for: the numbers of a layer stay near the caches, and
   * products are still large enough (docs/performance.md).
   */
  static final int DEFAULT_TOKENS = 512;

  private MicroBatches() {}

  /**
   * @param items number of items
   * @param rows rows that item i brings
   * @param width tokens of item i's longest row
   * @param tokens rows * longest row of a batch stays within this, unless one item alone exceeds it
   * @param atLeast batches to make where there are as many items: one per lane
   * @return item indices per batch, longest first
   */
  static List<List<Integer>> split(
      int items,
      ToIntFunction<Integer> rows,
      ToIntFunction<Integer> width,
      int tokens,
      int atLeast) {
    List<Integer> order =
        IntStream.range(0, items)
            .boxed()
            .sorted(Comparator.comparingInt(width).reversed())
            .toList();
    long all = order.stream().mapToLong(i -> (long) rows.applyAsInt(i) * width.applyAsInt(i)).sum();
    long share = Math.max(1, (all + atLeast - 1) / atLeast);
    long limit = Math.min(tokens, share);
    List<List<Integer>> batches = new ArrayList<>();
    List<Integer> current = new ArrayList<>();
    int currentRows = 0;
    int currentWidth = 0;
    for (int item : order) {
      int newRows = currentRows + rows.applyAsInt(item);
      int newWidth = Math.max(currentWidth, width.applyAsInt(item));
      if (!current.isEmpty() && (long) newRows * newWidth > limit) {
        batches.add(current);
        current = new ArrayList<>();
        newRows = rows.applyAsInt(item);
        newWidth = width.applyAsInt(item);
      }
      current.add(item);
      currentRows = newRows;
      currentWidth = newWidth;
    }
    if (!current.isEmpty()) {
      batches.add(current);
    }
    return batches;
  }
}
