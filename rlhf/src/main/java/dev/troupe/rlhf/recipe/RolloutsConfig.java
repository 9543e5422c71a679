package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;

/**
 * How sampling goes beside scoring and learning, in the stages that learn from their own answers.
 *
 * @param overlap whether a round's first answers are scored while its last are being sampled; what
 *     comes of it is the same to the byte
 * @param staleness rounds of learning, at most, that lie between the weights that sample a round's
 *     answers and those that learn from them; with more than 0 the next rounds are sampled while
 *     one is learned from
 */
public record RolloutsConfig(boolean overlap, int staleness) {
  /** Learned from by the weights that sampled. */
  public static final RolloutsConfig ON_POLICY = new RolloutsConfig(true, 0);

  public RolloutsConfig {
    new Limits().atLeast("staleness", staleness, 0).verify();
  }

  /** Whether answers may come from older weights than those that learn. */
  public boolean isStale() {
    return staleness > 0;
  }

  /** Answers of weights that never learned are no reinforcement learning. */
  public void checkRounds(String stage, int iterations, Limits limits) {
    limits.condition(
        "rollouts.staleness",
        staleness,
        staleness < iterations,
        "below "
            + stage
            + ".iterations ("
            + iterations
            + "), or the weights that the stage begins with answer all prompts",
        stage + ".iterations");
  }
}
