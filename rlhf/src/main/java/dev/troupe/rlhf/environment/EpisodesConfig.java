package dev.troupe.rlhf.environment;

import dev.troupe.rlhf.environment.calls.ToolCallFormat;
import dev.troupe.rlhf.limits.Limits;
import java.util.Optional;

/**
 * What bounds an episode, and how its calls are read. Of tokens that are sampled,
 * generation.max-new-tokens is the bound, over all turns together.
 *
 * @param maxTurns of the policy
 * @param maxObservationTokens read between the turns, what the chat template writes around them
 *     included; a prompt must leave room for them as well
 * @param concurrent episodes under way at the same time, each with an environment of its own
 * @param timeLimitSeconds of one call of the environment
 * @param episodeTimeLimitSeconds of all its calls in an episode together
 * @param toolCalls the form that calls are read in; absent for that of the chat template's family
 */
public record EpisodesConfig(
    int maxTurns,
    int maxObservationTokens,
    int concurrent,
    double timeLimitSeconds,
    double episodeTimeLimitSeconds,
    Optional<ToolCallFormat> toolCalls) {
  public EpisodesConfig {
    new Limits()
        .within("max-turns", maxTurns, 1, 10_000)
        .atLeast("max-observation-tokens", maxObservationTokens, 0)
        .within("concurrent", concurrent, 1, 4096)
        .within("time-limit-seconds", timeLimitSeconds, 0.01, 86_400)
        .within("episode-time-limit-seconds", episodeTimeLimitSeconds, 0.01, 864_000)
        .verify();
  }

  /**
   * Whether there is room for the episodes that begin together.
   *
   * @param limits of the record that has them as {@code episodes}
   * @param environment that they are played in; absent for answers given at once
   * @param answers to a prompt, which begin together
   * @param key of these in the same record
   */
  public void check(
      Limits limits, Optional<EnvironmentConfig> environment, int answers, String key) {
    int sessions = environment.map(EpisodesConfig::sessions).orElse(Integer.MAX_VALUE);
    limits
        .condition(
            "episodes.concurrent",
            concurrent,
            environment.isEmpty() || concurrent >= answers,
            "at least " + key + " (" + answers + "): answers to one prompt begin together",
            key)
        .condition(
            "environment.sessions",
            sessions,
            sessions >= concurrent,
            "at least episodes.concurrent ("
                + concurrent
                + "): episodes that begin together wait for each other's first observation, each"
                + " in a session; lower episodes.concurrent, or raise sessions and the server's"
                + " max_concurrent_envs",
            "episodes.concurrent");
  }

  /** Episodes that the environment can hold at a time. */
  private static int sessions(EnvironmentConfig environment) {
    return environment instanceof EnvironmentConfig.OpenEnv served
        ? served.sessions()
        : Integer.MAX_VALUE;
  }
}
