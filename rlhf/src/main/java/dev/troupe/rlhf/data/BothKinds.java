package dev.troupe.rlhf.data;

import java.util.ArrayList;
import java.util.List;

/**
 * Batches of shuffled epochs that keep good and bad answers together: each batch of an epoch has,
 * to within one, its share of each kind. Batches differ by at most one in size, and none has one
 * answer alone: it gets a second from the same epoch. Where a kind has fewer answers than an epoch
 * has batches, some batches are without it.
 *
 * @param answers at least two
 * @param batchSize at least 2; no batch is larger
 * @param seed each epoch has its own order, from this and the epoch's number
 */
public record BothKinds(List<JudgedAnswer> answers, int batchSize, long seed) {
  public BothKinds {
    answers = List.copyOf(answers);
    if (answers.size() < 2 || batchSize < 2) {
      throw new IllegalArgumentException(
          answers.size() + " answers in batches of " + batchSize + ", must be at least 2 each");
    }
  }

  /** Batches per epoch. */
  public int perEpoch() {
    return (answers.size() + batchSize - 1) / batchSize;
  }

  /** Batches of an epoch that cannot have an answer of each kind. */
  public long withoutAKind() {
    long good = answers.stream().filter(JudgedAnswer::good).count();
    return Math.max(0, perEpoch() - Math.min(good, answers.size() - good));
  }

  /**
   * The batch with this number.
   *
   * @param number 0-based, any number of epochs on
   */
  public List<JudgedAnswer> batch(long number) {
    int batches = perEpoch();
    int within = (int) (number % batches);
    // Dealt out like cards, first all of one kind and then all of the other.
    List<JudgedAnswer> order = new ArrayList<>();
    List<JudgedAnswer> bad = new ArrayList<>();
    for (int index : Permutation.of(answers.size(), Permutation.mix(seed, number / batches))) {
      JudgedAnswer answer = answers.get(index);
      (answer.good() ? order : bad).add(answer);
    }
    order.addAll(bad);
    List<JudgedAnswer> batch = new ArrayList<>();
    for (int i = within; i < order.size(); i += batches) {
      batch.add(order.get(i));
    }
    if (batch.size() == 1) {
      batch.add(order.get(batch.get(0).good() ? order.size() - 1 : 0));
    }
    return batch;
  }
}
