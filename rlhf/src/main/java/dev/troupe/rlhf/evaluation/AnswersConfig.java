package dev.troupe.rlhf.evaluation;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.reward.RewardConfig;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Answers to the prompts of data.prompts, and what they are worth.
 *
 * @param perProblem answers to each prompt
 * @param rewards by name
 * @param right the reward whose 1 says that an answer is right; absent for the one that compares
 *     with the data's answer or runs its tests, where there is one alone
 * @param passAt the k's of pass@k
 */
public record AnswersConfig(
    int perProblem,
    Map<String, RewardConfig> rewards,
    Optional<String> right,
    List<Integer> passAt) {
  public AnswersConfig {
    rewards = Collections.unmodifiableMap(new TreeMap<>(rewards));
    passAt = passAt.stream().distinct().sorted().toList();
    int most = perProblem;
    new Limits()
        .atLeast("per-problem", perProblem, 1)
        .condition("rewards", "empty", !rewards.isEmpty(), "one reward or more (docs/rewards.md)")
        .condition(
            "right",
            right.orElse(""),
            right.isEmpty() || rewards.containsKey(right.get()),
            "one of the rewards: " + String.join(", ", rewards.keySet()),
            "rewards")
        .condition(
            "pass-at",
            passAt,
            passAt.stream().allMatch(k -> k >= 1 && k <= most),
            "numbers from 1 to per-problem (" + perProblem + ")",
            "per-problem")
        .condition(
            "pass-at",
            passAt,
            passAt.isEmpty() || RewardConfig.right(rewards, right).isPresent(),
            "[] where nothing says which answers are right: name a reward in right",
            "rewards",
            "right")
        .verify();
  }

  /** The reward that says what is right; absent where none does, or more than one might. */
  public Optional<String> rule() {
    return RewardConfig.right(rewards, right);
  }
}
