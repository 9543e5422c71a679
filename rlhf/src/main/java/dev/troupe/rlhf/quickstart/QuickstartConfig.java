package dev.troupe.rlhf.quickstart;

import java.util.ArrayList;
import java.util.List;

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
    List<String> problems = new ArrayList<>();
    check(problems, "corpus", corpus);
    check(problems, "answered", answered);
    check(problems, "preferences", preferences);
    check(problems, "prompts", prompts);
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException(String.join("; ", problems));
    }
  }

  private static void check(List<String> problems, String key, int value) {
    if (value < 0) {
      problems.add(key + " is " + value + ", allowed: at least 0");
    }
  }
}
