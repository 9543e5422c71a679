package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Experience;
import dev.troupe.protocol.data.Floats;
import dev.troupe.rlhf.loss.Gae;
import dev.troupe.rlhf.loss.ImportanceWeights;
import dev.troupe.rlhf.loss.Masked;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Advantages and returns of a round of PPO, from its rewards and values. */
final class Lessons {
  private Lessons() {}

  /**
   * One lesson per answer, in their order. GAE sees the whole response; whitening sees the trained
   * tokens of the round alone, and the others' advantages are 0.
   *
   * @param importanceCap of the weights that correct for rollouts in other numbers, or by older
   *     weights; absent for no correction
   * @param stale whether older weights sampled
   */
  static List<Lesson> of(
      List<Scored> scored,
      PpoConfig.Advantages config,
      Optional<Double> importanceCap,
      boolean stale) {
    List<Gae.Estimate> estimates = new ArrayList<>();
    List<Floats> advantages = new ArrayList<>();
    for (Scored one : scored) {
      Gae.Estimate estimate =
          stale
              ? Gae.estimate(
                  one.rewards(),
                  one.values(),
                  ImportanceWeights.truncated(one.logprobs(), one.rollout().logprobs(), 1),
                  config.gamma(),
                  config.gaeLambda())
              : Gae.estimate(one.rewards(), one.values(), config.gamma(), config.gaeLambda());
      estimates.add(estimate);
      advantages.add(Lesson.head(estimate.advantages(), one.trained()));
    }
    List<Floats> whitened = config.whitening().apply(advantages, Masked.Variance.UNBIASED);
    List<Lesson> lessons = new ArrayList<>();
    for (int i = 0; i < scored.size(); i++) {
      Scored one = scored.get(i);
      Floats padded = new Floats(Arrays.copyOf(whitened.get(i).values(), one.rewards().size()));
      Experience experience =
          new Experience(
              one.rollout(),
              Optional.of(one.score()),
              Optional.of(one.refLogprobs()),
              Optional.of(one.rewards()),
              Optional.of(padded),
              Optional.of(new Experience.Critic(one.values(), estimates.get(i).returns())));
      Optional<Floats> importance =
          importanceCap.map(
              cap -> ImportanceWeights.truncated(one.logprobs(), one.rollout().logprobs(), cap));
      lessons.add(new Lesson(one.sample(), experience, one.logprobs(), importance, one.trained()));
    }
    return lessons;
  }
}
