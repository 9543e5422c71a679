package dev.troupe.rlhf.recipe;

/**
 * What the four roles of PPO start from.
 *
 * @param policy the SFT model, which is the reference too
 * @param reward the reward model
 */
public record PpoStart(ModelStart policy, ModelStart reward) {}
