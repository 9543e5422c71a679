package dev.troupe.rlhf.loss;

/** The coefficient of the KL penalty and how it changes. */
public sealed interface KlController {
  double coefficient();

  /**
   * The controller after a step.
   *
   * @param kl mean over the step's responses of the KL summed over a response, in nats
   * @param samples responses in that step
   */
  KlController after(double kl, long samples);

  /** Always the same. */
  record Fixed(double coefficient) implements KlController {
    public Fixed {
      if (!(coefficient >= 0)) {
        throw new IllegalArgumentException(
            "KL coefficient is " + coefficient + ", must be at least 0");
      }
    }

    @Override
    public KlController after(double kl, long samples) {
      return this;
    }
  }

  /**
   * β ← β·(1 + clip(kl/target − 1, −0.2, 0.2)·samples/horizon) (Ziegler et al. 2019, equation in
   * section 2.2).
   *
   * @param target KL per response to hold, in nats
   * @param horizon responses over which the coefficient may change by a fifth
   */
  record Adaptive(double coefficient, double target, double horizon) implements KlController {
    public Adaptive {
      if (!(coefficient >= 0) || !(target > 0) || !(horizon > 0)) {
        throw new IllegalArgumentException(
            "adaptive KL needs a coefficient of at least 0, a target and a horizon above 0; found "
                + coefficient
                + ", "
                + target
                + ", "
                + horizon);
      }
    }

    @Override
    public Adaptive after(double kl, long samples) {
      double error = Math.max(-0.2, Math.min(0.2, kl / target - 1));
      // A step larger than five horizons must not turn the penalty into a reward.
      double factor = Math.max(0, 1 + error * samples / horizon);
      return new Adaptive(coefficient * factor, target, horizon);
    }
  }
}
