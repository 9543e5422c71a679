package dev.troupe.protocol.data;

import java.util.Optional;

/**
 * A rollout with all that an algorithm learns from; vectors have R elements, one per response
 * token. What an algorithm does not have is absent here, in samples.jsonl and on the dashboard.
 *
 * @param score of the whole response, as its judge gave it
 * @param refLogprobs of the frozen reference
 * @param rewards per token: KL penalty, score on the last
 * @param critic what there is where there is one
 */
public record Experience(
    Rollout rollout,
    Optional<Double> score,
    Optional<Floats> refLogprobs,
    Optional<Floats> rewards,
    Optional<Floats> advantages,
    Optional<Critic> critic) {
  /**
   * Of a critic.
   *
   * @param values before each token
   * @param returns that it is to learn
   */
  public record Critic(Floats values, Floats returns) {}
}
