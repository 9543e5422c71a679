package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.Kl;
import dev.troupe.rlhf.loss.KlTerm;

/**
 * How the policy is held to the one it started from.
 *
 * @param coefficient 0 for not at all, and then there is no reference
 * @param placement where the penalty goes
 * @param estimator of the divergence from one token
 * @param gradient what is differentiated, of a penalty in the loss
 */
public record ReferenceConfig(
    double coefficient, Placement placement, Kl estimator, KlTerm.Gradient gradient) {
  public ReferenceConfig {
    new Limits()
        .atLeast("coefficient", coefficient, 0)
        .condition(
            "estimator",
            Limits.word(estimator),
            coefficient == 0
                || placement == Placement.REWARD
                || estimator != Kl.K1
                || gradient != KlTerm.Gradient.ESTIMATE,
            "k2 or k3 in the loss: k1's own gradient is 0 in expectation and holds the policy to"
                + " nothing; or gradient = divergence, or placement = reward",
            "placement",
            "gradient")
        .condition(
            "estimator",
            Limits.word(estimator),
            coefficient == 0
                || placement == Placement.REWARD
                || estimator != Kl.K2
                || gradient != KlTerm.Gradient.CORRECTED,
            "k1 or k3 with gradient = corrected: k2 times the ratio has not the gradient of the"
                + " divergence",
            "placement",
            "gradient")
        .verify();
  }

  boolean inReward() {
    return coefficient > 0 && placement == Placement.REWARD;
  }

  public KlTerm term() {
    return coefficient > 0 && placement == Placement.LOSS
        ? new KlTerm(coefficient, estimator, gradient)
        : KlTerm.NONE;
  }

  /** Where a KL penalty goes. */
  public enum Placement {
    /** A term of the loss: GRPO. */
    LOSS,
    /** Off the score, or off each token's reward where credit is by token: RLOO, REINFORCE++. */
    REWARD
  }
}
