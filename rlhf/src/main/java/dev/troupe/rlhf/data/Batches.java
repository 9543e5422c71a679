package dev.troupe.rlhf.data;

import java.util.ArrayList;
import java.util.List;

/**
 * Batches of shuffled epochs. A batch is a function of its number alone, so the cursor that a
 * resume needs is the number of the next batch.
 *
 * @param items at least one
 * @param batchSize at least 1
 * @param last what the end of an epoch does
 * @param seed each epoch has its own order, from this and the epoch's number
 */
public record Batches<T>(List<T> items, int batchSize, Last last, long seed) {
  /** What becomes of the last items of an epoch when they fill no batch. */
  public enum Last {
    /** They are a short batch. */
    SHORT,
    /**
     * The batch is filled from the next epoch, so that every batch is full. Such a batch may hold
     * an item twice.
     */
    FILLED,
    /**
     * They are left out of this epoch; which items those are differs from epoch to epoch. Every
     * batch is full and holds no item twice.
     */
    LEFT_OUT
  }

  public Batches {
    items = List.copyOf(items);
    if (items.isEmpty()) {
      throw new IllegalArgumentException("no items to make batches of");
    }
    if (batchSize < 1) {
      throw new IllegalArgumentException("batchSize is " + batchSize + ", must be at least 1");
    }
    if (last == Last.LEFT_OUT && items.size() < batchSize) {
      throw new DataException(
          "a step takes "
              + batchSize
              + " different items and the data have "
              + items.size()
              + " after the length policy and without what is held out: lower the batch"
              + " (prompts-per-iteration) or give more data");
    }
  }

  /** Batches per epoch where the last may be short. */
  public long perEpoch() {
    return (items.size() + (long) batchSize - 1) / batchSize;
  }

  /**
   * The batch with this number.
   *
   * @param number 0-based, any number of epochs on
   */
  public List<T> batch(long number) {
    if (number < 0) {
      throw new IllegalArgumentException("batch " + number + ", the first is 0");
    }
    if (last == Last.FILLED) {
      return draws(number * batchSize, batchSize);
    }
    long perEpoch = last == Last.SHORT ? perEpoch() : items.size() / batchSize;
    long within = number % perEpoch * batchSize;
    return draws(
        number / perEpoch * items.size() + within, Math.min(batchSize, items.size() - within));
  }

  /**
   * Items of the endless row of epochs, all different: where the epoch has fewer left, those of the
   * next one, and the rest of this one is left out.
   *
   * @param from draws before these
   * @param count at most as many as there are items
   */
  public Drawn<T> different(long from, int count) {
    if (from < 0 || count > items.size()) {
      throw new IllegalArgumentException(
          count + " different items of " + items.size() + " from draw " + from);
    }
    long left = items.size() - from % items.size();
    long begin = left < count ? from + left : from;
    return new Drawn<>(draws(begin, count), begin + count);
  }

  /**
   * What was drawn.
   *
   * @param next draws up to here, where a later one goes on
   */
  public record Drawn<T>(List<T> items, long next) {}

  /** Draws {@code from} … {@code from + count − 1} of the endless row of epochs. */
  private List<T> draws(long from, long count) {
    List<T> batch = new ArrayList<>();
    long epoch = -1;
    int[] order = {};
    for (long draw = from; draw < from + count; draw++) {
      if (draw / items.size() != epoch) {
        epoch = draw / items.size();
        order = Permutation.of(items.size(), Permutation.mix(seed, epoch));
      }
      batch.add(items.get(order[(int) (draw % items.size())]));
    }
    return batch;
  }
}
