package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.limits.Limits;

/**
 * What a policy may come to before its rewards are taken to be gamed. There are no accepted
 * thresholds; these are ours.
 *
 * @param act what happens when a bound of stopping is passed
 * @param longer mean response length over that at the start
 * @param truncated share of answers that the length limit cut
 * @param repeated mean share of 4-grams of tokens that were there before
 * @param kl to the start, nats per answer
 * @param lengthCorrelation of score and length, from which is warned
 * @param falls evaluations in a row in which the training score rose and a held-out scorer did not,
 *     after which to stop; half of it, rounded up, warns
 * @param standardErrors by which the win rate over the start may fall below its best
 */
public record GuardConfig(
    Act act,
    Bounds longer,
    Bounds truncated,
    Bounds repeated,
    Bounds kl,
    double lengthCorrelation,
    int falls,
    double standardErrors) {
  /** What happens when a bound of stopping is passed. */
  public enum Act {
    /** It is told, and training goes on. */
    WARN,
    /** The stage ends. */
    STOP
  }

  /**
   * Two bounds.
   *
   * @param warn above it a person is told
   * @param stop above it the run may end
   */
  public record Bounds(double warn, double stop) {
    public Bounds {
      new Limits()
          .above("warn", warn, 0)
          .condition("stop", stop, stop >= warn, "at least warn (" + warn + ")", "warn")
          .verify();
    }
  }

  public GuardConfig {
    new Limits()
        .within("length-correlation", lengthCorrelation, 0, 1)
        .atLeast("falls", falls, 1)
        .above("standard-errors", standardErrors, 0)
        .verify();
  }

  /** The defaults. */
  public static GuardConfig of(Act act) {
    return new GuardConfig(
        act,
        new Bounds(1.5, 2),
        new Bounds(0.05, 0.2),
        new Bounds(0.1, 0.3),
        new Bounds(10, 30),
        0.5,
        3,
        2);
  }
}
