package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;

/** How hard the policy is held to the reference: the coefficient of the KL penalty. */
public sealed interface KlConfig {
  /** The coefficient of the first step. */
  double coefficient();

  /** The same coefficient at every step. */
  record Fixed(double coefficient) implements KlConfig {
    public Fixed {
      new Limits().atLeast("coefficient", coefficient, 0).verify();
    }
  }

  /**
   * A proportional controller (Ziegler et al. 2019, equation 4).
   *
   * @param coefficient of the first step
   * @param target KL per response, in nats, that the controller steers to
   * @param horizon responses over which it does so
   */
  record Adaptive(double coefficient, double target, int horizon) implements KlConfig {
    public Adaptive {
      new Limits()
          .above("coefficient", coefficient, 0)
          .above("target", target, 0)
          .atLeast("horizon", horizon, 1)
          .verify();
    }
  }
}
