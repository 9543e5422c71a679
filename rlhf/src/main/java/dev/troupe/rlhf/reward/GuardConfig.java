package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.limits.Limits;
import java.util.Collections;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a policy may come to before its rewards are taken to be gamed. There are no accepted
 * thresholds; these are ours.
 *
 * @param act what is done at each measurement on the held-out prompts
 * @param rewards that measure there and are never trained on, by name
 * @param longer mean response length over that at the start
 * @param truncated by how much the share of answers that the length limit cut may rise
 * @param repeated by how much the mean share of 4-grams of tokens that were there before may rise
 * @param kl to the start, nats per answer
 * @param lengthCorrelation of score and length, from which is warned where it was below at the
 *     start
 * @param falls evaluations in a row in which the training score rose and that of {@code rewards}
 *     did not, after which to stop; half of it, rounded up, warns
 * @param standardErrors by which the win rate over the start may fall below its best
 */
public record GuardConfig(
    Act act,
    Map<String, RewardConfig> rewards,
    Bounds longer,
    Bounds truncated,
    Bounds repeated,
    Bounds kl,
    double lengthCorrelation,
    int falls,
    double standardErrors) {
  /** What is done. */
  public enum Act {
    /** Nothing: no further measures are taken. */
    OFF,
    /** Signs are told, and training goes on. */
    WARN,
    /** They are told, and the stage ends when a bound of stopping is passed. */
    STOP
  }

  /**
   * Two bounds.
   *
   * @param warn above it a person is told
   * @param stop above it the stage may end
   */
  public record Bounds(double warn, double stop) {
    public Bounds {
      new Limits()
          .above("warn", warn, 0)
          .above("stop", stop, 0)
          .condition(
              "stop", stop, stop <= 0 || stop >= warn, "at least warn (" + warn + ")", "warn")
          .verify();
    }
  }

  public GuardConfig {
    rewards = Collections.unmodifiableMap(new TreeMap<>(rewards));
    new Limits()
        .condition(
            "rewards",
            "given",
            rewards.isEmpty() || act != Act.OFF,
            "{} with act = off, which measures nothing",
            "act")
        .condition(
            "longer.warn",
            longer.warn(),
            longer.warn() > 1,
            "above 1: it is a factor of the length at the start")
        .within("length-correlation", lengthCorrelation, 0, 1)
        .atLeast("falls", falls, 1)
        .above("standard-errors", standardErrors, 0)
        .verify();
  }

  /** The defaults. */
  public static GuardConfig of(Act act) {
    return new GuardConfig(
        act,
        Map.of(),
        new Bounds(1.5, 2),
        new Bounds(0.05, 0.2),
        new Bounds(0.1, 0.3),
        new Bounds(10, 30),
        0.5,
        3,
        2);
  }

  /** Whether it looks at all. */
  public boolean isOn() {
    return act != Act.OFF;
  }

  /**
   * What a stage can honour of it.
   *
   * @param evaluateEvery steps between measurements
   * @param iterations steps of the stage
   * @param byModel whether the stage is trained on the run's reward model
   * @param episodes whether answers are given in an environment
   */
  public Limits check(
      Limits limits, int evaluateEvery, int iterations, boolean byModel, boolean episodes) {
    return limits
        .condition(
            "evaluate-every",
            evaluateEvery,
            !isOn() || evaluateEvery > 0,
            "at least 1 with guard.act = "
                + act.name().toLowerCase(Locale.ROOT)
                + ", which looks at what is measured then",
            "guard.act")
        .condition(
            "evaluate-every",
            evaluateEvery,
            act != Act.STOP || evaluateEvery < iterations,
            "below iterations ("
                + iterations
                + ") with guard.act = stop: it looks at no state but the last",
            "guard.act",
            "iterations")
        .condition(
            "guard.rewards",
            "with one of type model",
            !byModel || !RewardConfig.needModel(rewards),
            "others: the reward model is what is trained on",
            "rewards")
        .condition(
            "guard.rewards",
            "with one of type environment",
            episodes || !RewardConfig.needEnvironment(rewards),
            "others: answers are given in no environment",
            "environment");
  }
}
