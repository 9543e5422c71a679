package dev.troupe.rlhf.recipe;

/**
 * What the roles of PPO start from.
 *
 * @param policy the SFT model, which is the reference too
 * @param reward the reward model, opened where answers are scored by it
 */
public record PpoStart(ModelStart policy, ModelStart reward) {}
