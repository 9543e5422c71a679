package dev.troupe.engine;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.protocol.data.Storage;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToIntFunction;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;

/**
 * Cuts the work of a step into micro-batches of limited size, of as even work as they come. The cut
 * follows from the lengths of the items alone, not from who is there to do the work, so that a step
 * is the same wherever it is done. An item is one or more rows that stay together, given as their
 * lengths; a micro-batch is the items in it, and its number is its place.
 */
final class MicroBatches {
  /** Bytes of a number times tokens at once, where nothing else is asked for. */
  private static final int TOKEN_BYTES = 1024;

  /** Below it a micro-batch's cost is that of starting operators rather than of their numbers. */
  private static final int SMALL_WIDTH = 512;

  private MicroBatches() {}

  /**
   * Tokens of a micro-batch where nothing else is asked for: 256 in float32 and 512 in bfloat16, so
   * that what a layer keeps has the same bytes, and is near the caches, while products are still
   * large enough; 512 too in a small model (docs/performance.md).
   */
  static int tokens(ModelConfig model, Storage precision) {
    Storage kept = model.hiddenSize() < SMALL_WIDTH ? Storage.BF16 : precision;
    return TOKEN_BYTES * Byte.SIZE / kept.bits();
  }

  /**
   * Items of similar length together, so that little is padding where a micro-batch is padded to
   * its longest row; longest first.
   *
   * @param tokens rows * longest row of a batch stays within this, unless one item alone exceeds it
   */
  static List<List<Integer>> padded(List<int[]> items, int tokens) {
    ToIntFunction<Integer> width = i -> IntStream.of(items.get(i)).max().orElseThrow();
    return even(
        descending(items.size(), width),
        batch -> {
          long rows = batch.stream().mapToLong(i -> items.get(i).length).sum();
          // The first is the widest.
          return rows * width.applyAsInt(batch.get(0));
        },
        tokens);
  }

  /**
   * Items for batches of several {@link Section}s, longest first.
   *
   * @param tokens of a batch's sections together, padding included, unless one item alone exceeds
   *     it
   */
  static List<List<Integer>> packed(List<int[]> items, int tokens) {
    ToIntFunction<Integer> size = i -> IntStream.of(items.get(i)).sum();
    return even(
        descending(items.size(), size),
        batch -> Section.tokens(Section.several(rows(items, batch))),
        tokens);
  }

  private static int[] rows(List<int[]> items, List<Integer> batch) {
    return batch.stream().flatMapToInt(item -> IntStream.of(items.get(item))).toArray();
  }

  private static List<Integer> descending(int items, ToIntFunction<Integer> size) {
    return IntStream.range(0, items)
        .boxed()
        .sorted(Comparator.comparingInt(size).reversed())
        .toList();
  }

  /**
   * As few batches as can be, and one more where they are odd, so that two can share them; of these
   * the largest is as small as it can be.
   */
  private static List<List<Integer>> even(
      List<Integer> order, ToLongFunction<List<Integer>> tokens, long limit) {
    int fewest = filled(order, tokens, limit).size();
    int wanted = fewest + fewest % 2;
    long tooSmall = 0;
    long enough = limit;
    while (enough - tooSmall > 1) {
      long middle = (tooSmall + enough) / 2;
      if (filled(order, tokens, middle).size() <= wanted) {
        enough = middle;
      } else {
        tooSmall = middle;
      }
    }
    return filled(order, tokens, enough);
  }

  /** In the order given, each item into the batch in hand, or where it has no room, a new one. */
  private static List<List<Integer>> filled(
      List<Integer> order, ToLongFunction<List<Integer>> tokens, long limit) {
    List<List<Integer>> batches = new ArrayList<>();
    List<Integer> current = new ArrayList<>();
    for (int item : order) {
      current.add(item);
      if (current.size() > 1 && tokens.applyAsLong(current) > limit) {
        current.remove(current.size() - 1);
        batches.add(List.copyOf(current));
        current = new ArrayList<>(List.of(item));
      }
    }
    if (!current.isEmpty()) {
      batches.add(List.copyOf(current));
    }
    return batches;
  }
}
