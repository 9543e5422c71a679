package dev.troupe.rlhf.recipe;

import java.util.SplittableRandom;

/** Seeds derived from seeds, so that no random state needs to be kept across a resume. */
final class Seeds {
  private Seeds() {}

  /** A seed of its own for each purpose and each index within it. */
  static long derive(long seed, Purpose purpose, long index) {
    long step = new SplittableRandom(seed + purpose.ordinal()).nextLong();
    return new SplittableRandom(step + index).nextLong();
  }

  /** What a seed is for. */
  enum Purpose {
    POLICY,
    CRITIC,
    REWARD,
    REFERENCE,
    ORDER,
    SAMPLING,
    EVALUATION,
    MINIBATCHES,
    PRETRAINING
  }
}
