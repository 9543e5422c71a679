package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.data.Floats;
import dev.troupe.protocol.data.Rollout;

/**
 * A rollout of PPO on its way to an experience.
 *
 * @param logprobs of the response as training computes them; the rollout's own where it samples in
 *     the same numbers
 * @param trained how many of its response tokens are trained, from the first
 * @param kl to the reference, summed over the response, of what sampled it where older weights did
 */
record Scored(
    String sample,
    Rollout rollout,
    double score,
    Floats logprobs,
    Floats refLogprobs,
    Floats values,
    Floats rewards,
    int trained,
    double kl) {}
