package dev.troupe.engine;

import dev.troupe.models.checkpoint.ModelConfig;
import dev.troupe.models.decoder.Precision;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;

/**
 * Cuts the work of a step into micro-batches of limited size. The cut follows from the lengths of
 * the items and the number of lanes alone. An item is one or more rows that stay together, given as
 * their lengths.
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
  static int tokens(ModelConfig model, Precision precision) {
    Precision kept = model.hiddenSize() < SMALL_WIDTH ? Precision.BF16 : precision;
    return TOKEN_BYTES / kept.bytes();
  }

  /**
   * What goes through the model at once.
   *
   * @param number from 0 on, no two of a step alike
   * @param lane that it runs on
   * @param items what is in it
   */
  record MicroBatch(int number, int lane, List<Integer> items) {}

  /**
   * Items of similar length together, so that little is padding where a micro-batch is padded to
   * its longest row; longest first, dealt to the lanes in turn.
   *
   * @param tokens rows * longest row of a batch stays within this, unless one item alone exceeds it
   * @param lanes as many batches are made at least, where there are as many items
   */
  static List<MicroBatch> padded(List<int[]> items, int tokens, int lanes) {
    ToIntFunction<Integer> width = i -> IntStream.of(items.get(i)).max().orElseThrow();
    List<Integer> order = descending(items.size(), width);
    long all =
        order.stream().mapToLong(i -> (long) items.get(i).length * width.applyAsInt(i)).sum();
    long limit = Math.min(tokens, Math.max(1, (all + lanes - 1) / lanes));
    List<List<Integer>> batches =
        filled(
            order,
            batch -> {
              long rows = batch.stream().mapToLong(i -> items.get(i).length).sum();
              return rows * batch.stream().mapToInt(width).max().orElseThrow() <= limit;
            });
    return IntStream.range(0, batches.size())
        .mapToObj(i -> new MicroBatch(i, i % lanes, batches.get(i)))
        .toList();
  }

  /**
   * Items for batches of several {@link Section}s: dealt to the lanes so that these have the same
   * work (the longest first, each to the lane that has least), and on each lane in the order of
   * their length, in batches that are as even as they come.
   *
   * @param tokens of a batch's sections together, padding included, unless one item alone exceeds
   *     it
   */
  static List<MicroBatch> packed(List<int[]> items, int tokens, int lanes) {
    ToIntFunction<Integer> size = i -> IntStream.of(items.get(i)).sum();
    List<List<Integer>> dealt =
        IntStream.range(0, lanes).<List<Integer>>mapToObj(lane -> new ArrayList<>()).toList();
    long[] work = new long[lanes];
    for (int item : descending(items.size(), size)) {
      int least = 0;
      for (int lane = 1; lane < lanes; lane++) {
        least = work[lane] < work[least] ? lane : least;
      }
      dealt.get(least).add(item);
      work[least] += size.applyAsInt(item);
    }
    List<MicroBatch> out = new ArrayList<>();
    for (int lane = 0; lane < lanes; lane++) {
      long even = even(work[lane], tokens);
      List<List<Integer>> batches =
          filled(
              dealt.get(lane),
              batch -> {
                long before =
                    batch.stream().limit(batch.size() - 1L).mapToLong(size::applyAsInt).sum();
                return before < even
                    && Section.tokens(Section.several(rows(items, batch))) <= tokens;
              });
      for (List<Integer> batch : batches) {
        out.add(new MicroBatch(out.size(), lane, batch));
      }
    }
    return out;
  }

  /** Tokens of a batch, where as few as can be have the same. */
  private static long even(long all, int tokens) {
    long batches = Math.max(1, (all + tokens - 1) / tokens);
    return (all + batches - 1) / batches;
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

  /** In the order given, each item into the batch in hand, or where that may not be, a new one. */
  private static List<List<Integer>> filled(List<Integer> order, Predicate<List<Integer>> may) {
    List<List<Integer>> batches = new ArrayList<>();
    List<Integer> current = new ArrayList<>();
    for (int item : order) {
      current.add(item);
      if (current.size() > 1 && !may.test(current)) {
        current.remove(current.size() - 1);
        batches.add(current);
        current = new ArrayList<>(List.of(item));
      }
    }
    if (!current.isEmpty()) {
      batches.add(current);
    }
    return batches;
  }
}
