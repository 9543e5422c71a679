package dev.troupe.rlhf.quickstart;

import dev.troupe.rlhf.limits.Limits;

/**
 * How much data to make, and from which seed.
 *
 * @param seed of the generator; the same seed makes the same data
 * @param corpus documents to train a tokenizer and a base model on
 * @param answered prompts with a reply, for SFT
 * @param preferences pairs of replies, for the reward model and DPO
 * @param prompts prompts alone, for PPO
 */
public record QuickstartConfig(long seed, int corpus, int answered, int preferences, int prompts) {
  public QuickstartConfig {
    new Limits()
        .atLeast("corpus", corpus, 0)
        .atLeast("answered", answered, 0)
        .atLeast("preferences", preferences, 0)
        .atLeast("prompts", prompts, 0)
        .verify();
  }
}
