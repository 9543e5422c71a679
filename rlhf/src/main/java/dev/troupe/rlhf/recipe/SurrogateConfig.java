package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.Surrogate;
import java.util.Optional;
import java.util.OptionalDouble;

/** What a policy gradient maximises, as a function of each ratio and advantage. */
public sealed interface SurrogateConfig {
  /** As the loss wants it. */
  Surrogate surrogate();

  /**
   * PPO's clip.
   *
   * @param low how far below 1 a ratio may fall before its gradient is cut
   * @param high how far above 1 it may rise
   * @param dualClip bound of the ratio's weight where the advantage is negative; absent for none
   */
  record Clip(double low, double high, Optional<Double> dualClip) implements SurrogateConfig {
    public Clip {
      Limits limits = new Limits().above("low", low, 0).above("high", high, 0);
      dualClip.ifPresent(clip -> limits.above("dual-clip", clip, 1));
      limits.verify();
    }

    @Override
    public Surrogate surrogate() {
      return new Surrogate.Clip(
          low,
          high,
          dualClip.isPresent() ? OptionalDouble.of(dualClip.get()) : OptionalDouble.empty());
    }
  }

  /**
   * CISPO: ratios above the cap weigh as much as the cap, and keep their gradient.
   *
   * @param cap absolute
   */
  record Cispo(double cap) implements SurrogateConfig {
    public Cispo {
      new Limits().above("cap", cap, 0).verify();
    }

    @Override
    public Surrogate surrogate() {
      return new Surrogate.Cispo(cap);
    }
  }

  /**
   * SAPO: a soft gate in place of the clip.
   *
   * @param positive temperature where the advantage is above 0
   * @param negative temperature elsewhere
   */
  record Sapo(double positive, double negative) implements SurrogateConfig {
    public Sapo {
      new Limits().above("positive", positive, 0).above("negative", negative, 0).verify();
    }

    @Override
    public Surrogate surrogate() {
      return new Surrogate.Sapo(positive, negative);
    }
  }

  /** Importance sampling without a clip. */
  record ImportanceSampling() implements SurrogateConfig {
    @Override
    public Surrogate surrogate() {
      return new Surrogate.ImportanceSampling();
    }
  }
}
