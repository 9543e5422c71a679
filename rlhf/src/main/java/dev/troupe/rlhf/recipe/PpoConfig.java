package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.Averaging;
import dev.troupe.rlhf.loss.Whitening;
import dev.troupe.rlhf.reward.GuardConfig;
import dev.troupe.rlhf.reward.RewardConfig;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * PPO for language models (Schulman et al. 2017, Ouyang et al. 2022).
 *
 * @param iterations rounds of generate, score, learn
 * @param promptsPerIteration prompts answered per round
 * @param ppoEpochs passes over a round's experience
 * @param minibatches optimiser steps per pass
 * @param rewards what a response's score is the sum of, by name; empty for the reward model alone
 * @param right the reward whose 1 says that an answer is right; absent for the one that compares
 *     with the data's answer or runs its tests, where there is one alone
 * @param tokenRewards from that score to the rewards of a response's tokens
 * @param averaging over which tokens the policy's and the critic's loss is a mean
 * @param evaluateEvery rounds between measurements on the held-out prompts, 0 for none; they are
 *     always measured before and after
 * @param best which state of the policy is the result, by score, reward or rule-satisfied
 * @param guard against gamed rewards
 */
public record PpoConfig(
    int iterations,
    int promptsPerIteration,
    int ppoEpochs,
    int minibatches,
    Averaging averaging,
    GenerationConfig generation,
    KlConfig kl,
    Map<String, RewardConfig> rewards,
    Optional<String> right,
    TokenRewards tokenRewards,
    Advantages advantages,
    Policy policy,
    Critic critic,
    int evaluateEvery,
    BestConfig best,
    GuardConfig guard,
    EvaluationConfig evaluation) {
  public PpoConfig {
    rewards = Collections.unmodifiableMap(new TreeMap<>(rewards));
    boolean byModel = rewards.isEmpty() || RewardConfig.needModel(rewards);
    Limits limits = new Limits();
    limits
        .atLeast("iterations", iterations, 1)
        .atLeast("prompts-per-iteration", promptsPerIteration, 1)
        .atLeast("ppo-epochs", ppoEpochs, 1)
        .within(
            "minibatches",
            minibatches,
            1,
            Math.max(1, promptsPerIteration),
            "prompts-per-iteration")
        .condition(
            "generation.temperature",
            generation.temperature(),
            generation.temperature() > 0,
            "above 0, PPO learns from samples")
        .condition(
            "rewards",
            "with one of type environment",
            !RewardConfig.needEnvironment(rewards),
            "others: answers are given in no environment")
        .condition(
            "right",
            right.orElse("null"),
            right.isEmpty() || rewards.containsKey(right.get()),
            rewards.isEmpty()
                ? "null without rewards"
                : "null or one of the rewards: " + String.join(", ", rewards.keySet()),
            "rewards")
        .condition(
            "critic.start",
            Limits.word(critic.start()),
            byModel || critic.start() != Start.REWARD_MODEL,
            "base, where none of the rewards is the reward model",
            "rewards")
        .condition(
            "critic.warmup-iterations",
            critic.warmupIterations(),
            critic.warmupIterations() < iterations,
            "below iterations (" + iterations + "), or the policy learns nothing",
            "iterations")
        .atLeast("evaluate-every", evaluateEvery, 0);
    guard.check(limits, evaluateEvery, iterations, byModel, false);
    best.check(
            limits,
            evaluateEvery,
            evaluation.heldOut(),
            RewardConfig.right(rewards, right).isPresent()
                ? List.of(
                    HeldOutMeasure.SCORE, HeldOutMeasure.REWARD, HeldOutMeasure.RULE_SATISFIED)
                : List.of(HeldOutMeasure.SCORE, HeldOutMeasure.REWARD))
        .verify();
  }

  /** The reward that says what is right. */
  Optional<String> rule() {
    return RewardConfig.right(rewards, right);
  }

  /** Whether the reward model scores answers, be it for the guard. */
  public boolean scoresByModel() {
    return rewards.isEmpty()
        || RewardConfig.needModel(rewards)
        || RewardConfig.needModel(guard.rewards());
  }

  /** Optimiser steps of the policy, and of the critic, when no sample is dropped. */
  public int totalUpdates() {
    return iterations * ppoEpochs * minibatches;
  }

  /**
   * From a response's score to its tokens' rewards.
   *
   * @param placement where the score goes
   * @param scoreClip scores are limited to ± this
   * @param missingEosPenalty subtracted from the score of a response that did not end by itself
   */
  public record TokenRewards(
      Placement placement, Optional<Double> scoreClip, Optional<Double> missingEosPenalty) {
    public TokenRewards {
      Limits limits = new Limits();
      limits.condition(
          "score-clip",
          "absent",
          scoreClip.isPresent() || placement == Placement.MODERN,
          "a number above 0 with the placement deepspeed-chat, 5 there",
          "placement");
      scoreClip.ifPresent(clip -> limits.above("score-clip", clip, 0));
      missingEosPenalty.ifPresent(penalty -> limits.atLeast("missing-eos-penalty", penalty, 0));
      limits.verify();
    }
  }

  /** Where the score goes. */
  public enum Placement {
    /** On the response's last token, end of sequence included. */
    MODERN,
    /**
     * As DeepSpeed-Chat: the action that emits the end of sequence is masked, the score sits on it
     * and reaches the trained tokens through GAE.
     */
    DEEPSPEED_CHAT
  }

  /**
   * Generalised advantage estimation (Schulman et al. 2016).
   *
   * @param whitening of the advantages over a round's tokens
   */
  public record Advantages(double gamma, double gaeLambda, Whitening whitening) {
    public Advantages {
      new Limits().within("gamma", gamma, 0, 1).within("gae-lambda", gaeLambda, 0, 1).verify();
    }
  }

  /**
   * The policy's loss and optimiser.
   *
   * @param clipEpsilon of the probability ratio
   * @param dualClip lower bound of the ratio's weight where the advantage is negative (Ye et al.
   *     2020)
   * @param entropyCoefficient bonus for entropy
   * @param ptxCoefficient weight of the pre-training loss mixed in (Ouyang et al. 2022), 0 for none
   * @param importanceCap largest importance weight of a token sampled in other numbers than
   *     training's; absent for no such weights
   * @param emaDecay keeps a moving average of the policy's weights, saved under ema/
   */
  public record Policy(
      double clipEpsilon,
      Optional<Double> dualClip,
      double entropyCoefficient,
      double ptxCoefficient,
      Optional<Double> importanceCap,
      Optional<Double> emaDecay,
      TuningConfig tuning,
      OptimizerConfig optimizer) {
    public Policy {
      Limits limits =
          new Limits()
              .above("clip-epsilon", clipEpsilon, 0)
              .atLeast("entropy-coefficient", entropyCoefficient, 0)
              .atLeast("ptx-coefficient", ptxCoefficient, 0);
      dualClip.ifPresent(clip -> limits.above("dual-clip", clip, 1));
      importanceCap.ifPresent(cap -> limits.above("importance-cap", cap, 0));
      emaDecay.ifPresent(decay -> limits.fraction("ema-decay", decay));
      limits.verify();
    }
  }

  /**
   * The critic's start, loss and optimiser.
   *
   * @param start what it starts from
   * @param clipEpsilon how far a value may move from the rollout's
   * @param warmupIterations first rounds that train the critic alone
   */
  public record Critic(
      Start start,
      double clipEpsilon,
      int warmupIterations,
      TuningConfig tuning,
      OptimizerConfig optimizer) {
    public Critic {
      new Limits()
          .above("clip-epsilon", clipEpsilon, 0)
          .atLeast("warmup-iterations", warmupIterations, 0)
          .verify();
    }
  }

  /** What the critic starts from. */
  public enum Start {
    REWARD_MODEL,
    BASE
  }
}
