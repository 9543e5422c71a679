package dev.troupe.rlhf.data;

import dev.troupe.rlhf.limits.Limits;
import java.util.Arrays;
import java.util.List;

/**
 * DeepSpeed-Chat's division of one dataset among its three stages (dschat/utils/data/data_utils.py,
 * get_raw_dataset_split_index), the same records for the same seed.
 */
public final class DeepSpeedChatSplit {
  private DeepSpeedChatSplit() {}

  /** A stage and the place of its share. */
  public enum Stage {
    SFT(0),
    REWARD(1),
    PPO(2);

    private final int place;

    Stage(int place) {
      this.place = place;
    }
  }

  static void check(Limits limits, String key, List<Double> parts) {
    boolean valid = parts.size() == Stage.values().length;
    double sum = 0;
    for (double part : parts) {
      valid &= part >= 0 && Double.isFinite(part);
      sum += part;
    }
    limits.condition(
        key,
        parts,
        valid && sum > 0,
        "three numbers of at least 0, not all 0, for SFT, reward model and PPO");
  }

  /**
   * The records of one stage: a seeded permutation of [0, N), cut at b_0 = 0, b_{i+1} = b_i +
   * round(f_i·N) with halves rounded to even, and every boundary but the first moved by N − b_last.
   *
   * @param size N
   * @param parts shares in the order of {@link Stage}
   * @param seed as for numpy.random.RandomState, in [0, 2³²)
   * @return indices into the dataset, in the permutation's order
   */
  public static int[] indices(int size, List<Double> parts, long seed, Stage stage) {
    Limits limits = new Limits();
    check(limits, "parts", parts);
    limits.verify();
    double sum = parts.stream().mapToDouble(Double::doubleValue).sum();
    int[] bounds = new int[parts.size() + 1];
    for (int i = 0; i < parts.size(); i++) {
      bounds[i + 1] = bounds[i] + (int) Math.rint(parts.get(i) / sum * size);
    }
    int excess = bounds[parts.size()] - size;
    for (int i = 1; i <= parts.size(); i++) {
      bounds[i] -= excess;
    }
    int[] permutation = permutation(size, seed);
    int from = Math.max(0, bounds[stage.place]);
    int to = Math.max(from, bounds[stage.place + 1]);
    return Arrays.copyOfRange(permutation, from, to);
  }

  /** numpy.random.RandomState(seed).shuffle(arange(size)). */
  public static int[] permutation(int size, long seed) {
    int[] permutation = new int[size];
    Arrays.setAll(permutation, i -> i);
    NumpyRandom random = new NumpyRandom(seed);
    for (int i = size - 1; i > 0; i--) {
      int j = random.interval(i);
      int swapped = permutation[i];
      permutation[i] = permutation[j];
      permutation[j] = swapped;
    }
    return permutation;
  }
}
