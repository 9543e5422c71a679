package dev.troupe.protocol.data;

/**
 * A rollout with all that PPO learns from; vectors have R elements, one per response token.
 *
 * @param score of the whole response, as the reward model gave it
 * @param refLogprobs of the frozen reference
 * @param values of the critic before each token
 * @param rewards KL penalty per token, score on the last
 */
public record Experience(
    Rollout rollout,
    double score,
    Floats refLogprobs,
    Floats values,
    Floats rewards,
    Floats advantages,
    Floats returns) {}
