package dev.troupe.rlhf.environment;

import dev.troupe.rlhf.limits.Limits;

/**
 * What bounds an episode. Of tokens that are sampled, generation.max-new-tokens is the bound, over
 * all turns together.
 *
 * @param maxTurns of the policy
 * @param maxObservationTokens read between the turns, what the chat template writes around them
 *     included; a prompt must leave room for them as well
 * @param concurrent episodes under way at the same time, each with an environment of its own
 * @param timeLimitSeconds of one call of the environment
 * @param episodeTimeLimitSeconds of all its calls in an episode together
 */
public record EpisodesConfig(
    int maxTurns,
    int maxObservationTokens,
    int concurrent,
    double timeLimitSeconds,
    double episodeTimeLimitSeconds) {
  public EpisodesConfig {
    new Limits()
        .within("max-turns", maxTurns, 1, 10_000)
        .atLeast("max-observation-tokens", maxObservationTokens, 0)
        .within("concurrent", concurrent, 1, 4096)
        .within("time-limit-seconds", timeLimitSeconds, 0.01, 86_400)
        .within("episode-time-limit-seconds", episodeTimeLimitSeconds, 0.01, 864_000)
        .verify();
  }
}
