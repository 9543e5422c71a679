package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.environment.EnvironmentConfig;
import dev.troupe.rlhf.environment.EpisodesConfig;
import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.GroupAdvantages;
import dev.troupe.rlhf.loss.KlTerm;
import dev.troupe.rlhf.loss.Ratio;
import dev.troupe.rlhf.reward.GuardConfig;
import dev.troupe.rlhf.reward.RewardConfig;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Group-relative policy optimisation (Shao et al. 2024, arXiv:2402.03300) and its family: several
 * answers to each prompt, which are each other's baseline. Which relative it is are choices here;
 * docs/algorithms.md names them.
 *
 * @param iterations rounds of generate, score, learn
 * @param promptsPerIteration prompts learned from per round
 * @param answersPerPrompt size of a group
 * @param rewards what an answer's score is the sum of, by name; empty for distillation alone. Where
 *     there is no teacher either, the stage is refused and not this record, which a run without the
 *     stage has too
 * @param right the reward whose 1 says that an answer is right; absent for the one that compares
 *     with the data's answer or runs its tests, where there is one alone
 * @param environment what answers are episodes in; absent for answers given at once
 * @param episodes what bounds them
 * @param epochs passes over a round's answers
 * @param minibatches optimiser steps per pass; groups stay whole
 * @param reuse earlier rounds whose answers are learned from again beside a round's own
 * @param evaluateEvery rounds between measurements on the held-out prompts, 0 for none; they are
 *     always measured before and after
 * @param best which state of the policy is the result, by score or rule-satisfied
 * @param guard against gamed rewards
 */
public record GrpoConfig(
    int iterations,
    int promptsPerIteration,
    int answersPerPrompt,
    int epochs,
    int minibatches,
    int reuse,
    Map<String, RewardConfig> rewards,
    Optional<String> right,
    Optional<EnvironmentConfig> environment,
    EpisodesConfig episodes,
    GenerationConfig generation,
    Groups groups,
    LengthConfig length,
    GroupAdvantagesConfig advantages,
    ReferenceConfig kl,
    Learn learn,
    TeacherConfig teacher,
    Policy policy,
    int evaluateEvery,
    BestConfig best,
    GuardConfig guard,
    EvaluationConfig evaluation) {
  public GrpoConfig {
    rewards = Collections.unmodifiableMap(new TreeMap<>(rewards));
    boolean distils = teacher.model().isPresent();
    boolean scored = !rewards.isEmpty() || !distils;
    Limits limits = new Limits();
    limits
        .atLeast("iterations", iterations, 1)
        .atLeast("prompts-per-iteration", promptsPerIteration, 1)
        .atLeast("answers-per-prompt", answersPerPrompt, 1)
        .condition(
            "answers-per-prompt",
            answersPerPrompt,
            answersPerPrompt != 1 || !comparesWithinGroup(advantages, learn),
            "at least 2: an answer is compared with the others to its prompt",
            "advantages.baseline",
            "advantages.scale",
            "learn.type")
        .condition(
            "right",
            right.orElse("null"),
            right.isEmpty() || rewards.containsKey(right.get()),
            rewards.isEmpty()
                ? "null without rewards"
                : "null or one of the rewards: " + String.join(", ", rewards.keySet()),
            "rewards")
        .atLeast("epochs", epochs, 1)
        .condition(
            "environment",
            "null",
            environment.isPresent() || !RewardConfig.needEnvironment(rewards),
            "an environment, since one of the rewards is what it gives",
            "rewards")
        .condition(
            "minibatches",
            minibatches,
            minibatches >= 1 && promptsPerIteration % minibatches == 0,
            "a divisor of prompts-per-iteration (" + promptsPerIteration + "): groups stay whole",
            "prompts-per-iteration")
        .atLeast("reuse", reuse, 0)
        .condition(
            "reuse",
            reuse,
            reuse <= 0
                || (learn instanceof Learn.PolicyGradient gradient
                    && gradient.ratio() == Ratio.TOKEN),
            "0, unless learn.type is policy-gradient with learn.ratio = token: what an older policy"
                + " sampled is weighted token by token",
            "learn.type",
            "learn.ratio")
        .condition(
            "policy.importance-cap",
            "null",
            reuse <= 0 || policy.importanceCap().isPresent(),
            "a number with reuse above 0: an older policy sampled",
            "reuse")
        .condition(
            "generation.temperature",
            generation.temperature(),
            generation.temperature() > 0,
            "above 0: answers to one prompt must differ")
        .condition(
            "groups.constant",
            Limits.word(groups.constant()),
            groups.constant() == Constant.KEEP || answersPerPrompt > 1,
            "keep, where a group is one answer",
            "answers-per-prompt")
        .condition(
            "length.overlong-buffer",
            length.overlongBuffer().orElse(0),
            length.overlongBuffer().orElse(0) <= generation.maxNewTokens(),
            "at most generation.max-new-tokens (" + generation.maxNewTokens() + ")",
            "generation.max-new-tokens")
        .condition(
            "length.overlong-buffer",
            length.overlongBuffer().orElse(0),
            length.overlongBuffer().isEmpty() || scored,
            "null without rewards: there is no score to take from",
            "rewards")
        .condition(
            "length.truncated-score",
            length.truncatedScore(),
            length.truncatedScore() == 1 || scored,
            "1 without rewards: there is no score to take from",
            "rewards")
        .condition(
            "advantages.scale",
            "group-mean",
            advantages.scale() != GroupAdvantages.Scale.GROUP_MEAN
                || !(kl.inReward()
                    || length.penalises()
                    || rewards.values().stream().anyMatch(RewardConfig::mayBeNegative)),
            "group, batch or none, where a penalty or a reward may take scores below 0",
            "kl",
            "length",
            "rewards")
        .condition(
            "advantages.scale",
            Limits.word(advantages.scale()),
            scored
                || !kl.inReward()
                || advantages.credit() != GroupAdvantagesConfig.Credit.ANSWER
                || advantages.scale() == GroupAdvantages.Scale.NONE,
            "none with kl.placement = reward and without rewards: where KL is all of the score, its"
                + " deviation cancels kl.coefficient",
            "rewards",
            "kl.placement",
            "advantages.credit")
        .condition(
            "kl.coefficient",
            kl.coefficient(),
            kl.coefficient() == 0 || learn instanceof Learn.PolicyGradient,
            "0, unless learn.type is policy-gradient",
            "learn.type")
        .condition(
            "kl.gradient",
            Limits.word(kl.gradient()),
            kl.term().coefficient() == 0
                || kl.gradient() != KlTerm.Gradient.CORRECTED
                || !(learn instanceof Learn.PolicyGradient gradient)
                || gradient.ratio() == Ratio.TOKEN,
            "estimate or divergence, unless learn.ratio is token: it is corrected by each token's"
                + " ratio",
            "learn.ratio")
        .condition(
            "kl.gradient",
            Limits.word(kl.gradient()),
            kl.term().coefficient() == 0
                || kl.gradient() != KlTerm.Gradient.CORRECTED
                || reuse <= 0,
            "estimate or divergence with reuse above 0: the ratio is over the policy at the"
                + " beginning of the round then, and not over the older one that sampled",
            "reuse")
        .condition(
            "teacher.model",
            teacher.model().orElse("null"),
            !distils || learn instanceof Learn.PolicyGradient,
            "null, unless learn.type is policy-gradient",
            "learn.type")
        .atLeast("evaluate-every", evaluateEvery, 0);
    episodes.check(limits, environment, answersPerPrompt, "answers-per-prompt");
    guard.check(
        limits,
        evaluateEvery,
        iterations,
        RewardConfig.needModel(rewards),
        environment.isPresent());
    best.check(limits, evaluateEvery, evaluation.heldOut(), measured(rewards, right)).verify();
  }

  /** Without a reward there is no score, and without one that says so nothing is right. */
  private static List<HeldOutMeasure> measured(
      Map<String, RewardConfig> rewards, Optional<String> right) {
    if (rewards.isEmpty()) {
      return List.of();
    }
    return RewardConfig.right(rewards, right).isPresent()
        ? List.of(HeldOutMeasure.SCORE, HeldOutMeasure.RULE_SATISFIED)
        : List.of(HeldOutMeasure.SCORE);
  }

  /** The reward that says what is right. */
  Optional<String> rule() {
    return RewardConfig.right(rewards, right);
  }

  /** Whether an answer is worth what the others to its prompt make of it. */
  boolean comparesAnswers() {
    return comparesWithinGroup(advantages, learn);
  }

  private static boolean comparesWithinGroup(GroupAdvantagesConfig advantages, Learn learn) {
    return learn instanceof Learn.PolicyGradient
        ? advantages.comparesWithinGroup()
        : learn instanceof Learn.Preferences;
  }

  /** Whether one of the rewards, or of those that the guard measures by, is the reward model. */
  public boolean scoresByModel() {
    return RewardConfig.needModel(rewards) || RewardConfig.needModel(guard.rewards());
  }

  /** Answers given per round when none is asked for anew. */
  public int answersPerIteration() {
    return promptsPerIteration * answersPerPrompt;
  }

  /** Answers of an optimiser step, at most. */
  public long answersPerUpdate() {
    return (long) answersPerIteration() * (1 + reuse) / minibatches;
  }

  /** Tokens that a prompt leaves room for beside those sampled. */
  public int observationTokens() {
    return environment.isPresent() ? episodes.maxObservationTokens() : 0;
  }

  /** Optimiser steps when no group is left out. */
  public int totalUpdates() {
    return iterations * epochs * minibatches;
  }

  /** Whether something is computed by the model that the policy starts from. */
  public boolean needsReference() {
    return kl.coefficient() > 0 || learn instanceof Learn.Preferences;
  }

  /**
   * Groups that teach nothing, since all their answers are equally good (DAPO, Yu et al. 2025,
   * arXiv:2503.14476, equation 11).
   *
   * @param constant what becomes of them
   * @param refills how often at most a round asks for further prompts in their place
   */
  public record Groups(Constant constant, int refills) {
    public Groups {
      new Limits()
          .condition(
              "refills",
              refills,
              constant == Constant.REFILL ? refills >= 1 : refills >= 0,
              constant == Constant.REFILL ? "at least 1 with constant = refill" : "at least 0",
              "constant")
          .verify();
    }

    /** Rounds of asking, at most. */
    public int asks() {
      return constant == Constant.REFILL ? 1 + refills : 1;
    }
  }

  /** What becomes of constant groups. */
  public enum Constant {
    /** They count in the means and have advantages of 0. */
    KEEP,
    /** They are left out and counted. */
    DROP,
    /** They are left out and counted, and other prompts take their place. */
    REFILL
  }

  /**
   * The policy's weights.
   *
   * @param importanceCap largest importance weight of a token sampled in other numbers than
   *     training's, or by an older policy; absent for no such weights
   * @param emaDecay keeps a moving average of the policy's weights, saved under ema/
   */
  public record Policy(
      Optional<Double> importanceCap,
      Optional<Double> emaDecay,
      TuningConfig tuning,
      OptimizerConfig optimizer) {
    public Policy {
      Limits limits = new Limits();
      importanceCap.ifPresent(cap -> limits.above("importance-cap", cap, 0));
      emaDecay.ifPresent(decay -> limits.fraction("ema-decay", decay));
      limits.verify();
    }
  }
}
