package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.ValueExample;
import java.util.Arrays;

/**
 * What PPO learns from one answer.
 *
 * @param trained how many of its response tokens are trained, from the first
 */
record Lesson(String sample, Experience experience, int trained) {
  PolicyExample forPolicy() {
    return new PolicyExample(
        reads(),
        head(experience.rollout().logprobs(), trained),
        head(experience.advantages(), trained));
  }

  ValueExample forCritic() {
    return new ValueExample(
        reads(), head(experience.values(), trained), head(experience.returns(), trained));
  }

  private Sequence reads() {
    Sequence whole = experience.rollout().sequence();
    return new Sequence(
        whole.tokens(), new TokenIds(Arrays.copyOf(whole.reads().values(), trained)));
  }

  /** The first {@code size} values. */
  static Floats head(Floats values, int size) {
    return new Floats(Arrays.copyOf(values.values(), size));
  }
}
