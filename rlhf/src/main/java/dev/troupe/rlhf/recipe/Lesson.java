package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Sequence;
import dev.troupe.protocol.data.TokenIds;
import dev.troupe.rlhf.loss.PolicyExample;
import dev.troupe.rlhf.loss.ValueExample;
import java.util.Arrays;
import java.util.Optional;

/**
 * What PPO learns from one answer.
 *
 * @param oldLogprobs of the response as training computed them before this round
 * @param importance weight of each response token in the policy's loss; absent for 1
 * @param trained how many of its response tokens are trained, from the first
 */
record Lesson(
    String sample,
    Experience experience,
    Floats oldLogprobs,
    Optional<Floats> importance,
    int trained) {
  PolicyExample forPolicy() {
    return new PolicyExample(
        reads(),
        head(oldLogprobs, trained),
        head(importance.map(this::weighted).orElseGet(this::advantages), trained));
  }

  private Floats advantages() {
    return experience.advantages().orElseThrow();
  }

  Floats rewards() {
    return experience.rewards().orElseThrow();
  }

  /** A weight above 0 on a token's loss is the same weight on its advantage. */
  private Floats weighted(Floats weights) {
    float[] advantages = advantages().values().clone();
    for (int t = 0; t < advantages.length; t++) {
      advantages[t] *= weights.get(t);
    }
    return new Floats(advantages);
  }

  ValueExample forCritic() {
    Experience.Critic critic = experience.critic().orElseThrow();
    return new ValueExample(
        reads(), head(critic.values(), trained), head(critic.returns(), trained));
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
