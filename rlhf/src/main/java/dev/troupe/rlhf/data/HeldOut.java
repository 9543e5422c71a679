package dev.troupe.rlhf.data;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What is trained on and what is kept to measure with.
 *
 * @param training in the data's order
 * @param heldOut in the data's order
 */
public record HeldOut<T>(List<T> training, List<T> heldOut) {
  public HeldOut {
    training = List.copyOf(training);
    heldOut = List.copyOf(heldOut);
  }

  /**
   * Keeps out a random choice.
   *
   * @param what of the error's text: pairs, prompts
   * @param count how many to keep out, fewer than there are
   * @param seed the same seed keeps out the same ones
   */
  public static <T> HeldOut<T> of(String what, List<T> all, int count, long seed) {
    if (count >= all.size()) {
      throw new DataException(
          "held-out is "
              + count
              + " and the data have "
              + Counted.of(all.size(), what)
              + " after the length policy; at least one must be left to train on: lower held-out or"
              + " give more data");
    }
    int[] permutation = Permutation.of(all.size(), seed);
    Set<Integer> kept = new HashSet<>();
    for (int i = 0; i < count; i++) {
      kept.add(permutation[i]);
    }
    List<T> training = new ArrayList<>();
    List<T> heldOut = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      (kept.contains(i) ? heldOut : training).add(all.get(i));
    }
    return new HeldOut<>(training, heldOut);
  }
}
