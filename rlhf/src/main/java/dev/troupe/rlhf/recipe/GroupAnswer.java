package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.loss.Kl;
import java.util.Optional;

/**
 * An answer that has a score.
 *
 * @param score as the scorer gave it; absent where there is none to ask
 * @param shaped what is left of it for its length
 * @param logprobs of the response as training computes them before this round
 * @param refLogprobs of what the policy started from, where the algorithm has a reference
 * @param teacherLogprobs of the teacher, where there is one
 */
record GroupAnswer(
    String sample,
    Rollout rollout,
    Optional<Double> score,
    double shaped,
    Floats logprobs,
    Optional<Floats> refLogprobs,
    Optional<Floats> teacherLogprobs) {
  boolean truncated() {
    return rollout.finish() == FinishReason.LENGTH;
  }

  int tokens() {
    return rollout.length();
  }

  /** To the reference, summed over the response, in nats. */
  Optional<Double> kl() {
    return refLogprobs.map(ref -> Kl.K1.sum(logprobs, ref));
  }

  /** To the teacher, of a token, in nats. */
  Optional<Double> teacherKl() {
    return teacherLogprobs.map(taught -> Kl.K1.sum(logprobs, taught) / tokens());
  }

  GroupAnswer seen(Floats own, Optional<Floats> ref, Optional<Floats> teacher) {
    return new GroupAnswer(sample, rollout, score, shaped, own, ref, teacher);
  }
}
