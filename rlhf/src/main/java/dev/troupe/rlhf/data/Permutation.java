package dev.troupe.rlhf.data;

import java.util.Arrays;
import java.util.SplittableRandom;

/** Seeded permutations. */
final class Permutation {
  private Permutation() {}

  /** Fisher and Yates's shuffle of 0 … size−1. */
  static int[] of(int size, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] permutation = new int[size];
    Arrays.setAll(permutation, i -> i);
    for (int i = size - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = permutation[i];
      permutation[i] = permutation[j];
      permutation[j] = swapped;
    }
    return permutation;
  }

  /** A seed for one of several uses of a seed (the finaliser of SplitMix64). */
  static long mix(long seed, long use) {
    long z = seed + 0x9e3779b97f4a7c15L * (use + 1);
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
