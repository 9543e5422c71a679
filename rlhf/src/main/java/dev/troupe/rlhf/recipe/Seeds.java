package dev.troupe.rlhf.recipe;

import java.util.SplittableRandom;

/** Seeds derived from seeds, so that no random state needs to be kept across a resume. */
public final class Seeds {
  private Seeds() {}

  /** A seed of its own for each purpose and each index within it. */
  public static long derive(long seed, Purpose purpose, long index) {
    long step = new SplittableRandom(seed + purpose.stream).nextLong();
    return new SplittableRandom(step + index).nextLong();
  }

  /** What a seed is for. */
  public enum Purpose {
    POLICY(1),
    CRITIC(2),
    REWARD(3),
    REFERENCE(4),
    ORDER(5),
    SAMPLING(6),
    EVALUATION(7),
    MINIBATCHES(8),
    PRETRAINING(9),
    TEACHER(10);

    // Part of every run's numbers: never change one, or resumed runs differ.
    private final long stream;

    Purpose(long stream) {
      this.stream = stream;
    }
  }
}
