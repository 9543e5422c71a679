package dev.troupe.rlhf.loss;

import java.util.OptionalDouble;

/**
 * What a policy gradient maximises in place of the return, as a function of one token's ratio ρ =
 * π/π_old, its log-probability and its advantage A; here as a loss.
 *
 * <p>Decoupled PPO (Fu et al. 2025, arXiv:2505.24298) is {@link Clip} too: ρ is taken to the
 * proximal policy, and the weight exp(log π_prox − log π_behaviour) of {@link ImportanceWeights}
 * multiplies the advantage.
 */
public sealed interface Surrogate {
  /**
   * One token's loss.
   *
   * @param loss in the units of the advantage
   * @param ratioGradient dloss/dlog ρ
   * @param logprobGradient dloss/dlogprob beside what goes through ρ
   * @param clipped whether a clip decided the loss
   */
  record Token(double loss, double ratioGradient, double logprobGradient, boolean clipped) {}

  /**
   * The loss of one token.
   *
   * @param logprob log π of the token
   * @param ratio ρ above 0, of the token or of its whole sequence
   */
  Token of(double logprob, double ratio, double advantage);

  /**
   * PPO's clip (Schulman et al. 2017, equation 7), with bounds of their own (DAPO, Yu et al. 2025,
   * arXiv:2503.14476, equation 10):
   *
   * <pre>
   *   L = max(−A·ρ, −A·clip(ρ, 1−low, 1+high))
   *   L = min(L, −A·c)   when A is negative and there is a dual clip c (Ye et al. 2020, equation 5)
   * </pre>
   *
   * @param low ε below 1; above 0 and at most 1
   * @param high ε above 1; above 0
   * @param dualClip c above 1, usually 3
   */
  record Clip(double low, double high, OptionalDouble dualClip) implements Surrogate {
    public Clip {
      Limit.above("clip low", low, 0);
      Limit.above("clip high", high, 0);
      dualClip.ifPresent(clip -> Limit.above("dualClip", clip, 1));
    }

    @Override
    public Token of(double logprob, double ratio, double advantage) {
      double inside = Math.max(1 - low, Math.min(1 + high, ratio));
      double plain = -advantage * ratio;
      double withClip = -advantage * inside;
      double loss = Math.max(plain, withClip);
      boolean clipped = withClip > plain;
      if (advantage < 0 && dualClip.isPresent()) {
        double bound = -advantage * dualClip.getAsDouble();
        clipped |= bound < loss;
        loss = Math.min(loss, bound);
      }
      return new Token(loss, clipped ? 0 : plain, 0, clipped);
    }
  }

  /**
   * CISPO (MiniMax 2025, arXiv:2506.13585, equation 4): L = −sg(min(ρ, cap))·A·log π. A capped
   * token still gives a gradient, with the cap as its weight.
   *
   * @param cap absolute, as TRL and ScaleRL have it (5 there); verl's 1 + ε_high is this cap
   */
  record Cispo(double cap) implements Surrogate {
    public Cispo {
      Limit.above("cap", cap, 0);
    }

    @Override
    public Token of(double logprob, double ratio, double advantage) {
      double gradient = -Math.min(ratio, cap) * advantage;
      return new Token(gradient * logprob, 0, gradient, ratio > cap);
    }
  }

  /**
   * SAPO (Gao et al. 2025, arXiv:2511.20347): L = −A·σ(τ(ρ − 1))·4/τ, a soft gate in place of the
   * clip; its slope at ρ = 1 is PPO's.
   *
   * @param positive τ where the advantage is above 0, usually 1
   * @param negative τ elsewhere, usually 1.05
   */
  record Sapo(double positive, double negative) implements Surrogate {
    public Sapo {
      Limit.above("temperature for positive advantages", positive, 0);
      Limit.above("temperature for negative advantages", negative, 0);
    }

    @Override
    public Token of(double logprob, double ratio, double advantage) {
      double temperature = advantage > 0 ? positive : negative;
      double gate = Logistic.sigmoid(temperature * (ratio - 1));
      return new Token(
          -advantage * gate * 4 / temperature,
          -advantage * 4 * gate * (1 - gate) * ratio,
          0,
          false);
    }
  }

  /**
   * The policy gradient with importance sampling and no clip: L = −ρ·A (Williams 1992 where ρ is
   * 1).
   */
  record ImportanceSampling() implements Surrogate {
    @Override
    public Token of(double logprob, double ratio, double advantage) {
      double loss = -advantage * ratio;
      return new Token(loss, loss, 0, false);
    }
  }
}
