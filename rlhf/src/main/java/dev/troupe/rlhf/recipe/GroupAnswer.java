package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.FinishReason;
import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Rollout;
import dev.troupe.rlhf.loss.Kl;
import java.util.List;
import java.util.Optional;

/**
 * An answer that has a score.
 *
 * @param score as the scorer gave it; absent where there is none to ask
 * @param shaped what is left of it for its length
 * @param logprobs of the response as training computes them before this round: those of the
 *     proximal policy
 * @param refLogprobs of what the policy started from, where the algorithm has a reference
 * @param teacherLogprobs of the teacher, where there is one
 * @param stale whether older weights sampled it than those that learn from it
 * @param again whether an earlier round gave it, whose books it is in
 */
record GroupAnswer(
    String sample,
    Rollout rollout,
    Optional<Double> score,
    double shaped,
    Floats logprobs,
    Optional<Floats> refLogprobs,
    Optional<Floats> teacherLogprobs,
    boolean stale,
    boolean again) {
  boolean truncated() {
    return rollout.finish() == FinishReason.LENGTH;
  }

  int tokens() {
    return rollout.length();
  }

  /**
   * Those that a divergence from the reference is estimated by: an estimate holds for the samples
   * of the distribution that it is of, so of stale answers they are those that they were sampled
   * by.
   */
  Floats divergingLogprobs() {
    return stale || again ? rollout.logprobs() : logprobs;
  }

  /** To the reference, summed over the response, in nats. */
  Optional<Double> kl() {
    return refLogprobs.map(ref -> Kl.K1.sum(divergingLogprobs(), ref));
  }

  /** To the teacher, of a token, in nats. */
  Optional<Double> teacherKl() {
    return teacherLogprobs.map(taught -> Kl.K1.sum(logprobs, taught) / tokens());
  }

  GroupAnswer seen(Floats own, Optional<Floats> ref, Optional<Floats> teacher) {
    return new GroupAnswer(sample, rollout, score, shaped, own, ref, teacher, stale, again);
  }

  /** For a later round. */
  GroupAnswer forLater() {
    Rollout bare = rollout.to(rollout.prompt().bare());
    return new GroupAnswer(
        sample, bare, score, shaped, logprobs, refLogprobs, teacherLogprobs, stale, true);
  }

  /** Leaves it out, and enters that where it was not entered before. */
  void drop(Ledger ledger, String reason) {
    if (!again) {
      ledger.dropped(sample, reason);
    }
  }

  /** For the books; empty where they were made before. */
  List<String> samples() {
    return again ? List.of() : List.of(sample);
  }
}
