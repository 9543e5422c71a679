package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.GroupAdvantages;
import dev.troupe.rlhf.loss.Whitening;

/**
 * From the scores of a group to its tokens' advantages.
 *
 * @param baseline what is subtracted
 * @param scale what the difference is divided by
 * @param epsilon added to a deviation
 * @param credit whether all tokens have their answer's advantage, or each the return from it on
 * @param gamma discount per token of such a return
 * @param whitening of the advantages over a round's tokens
 */
public record GroupAdvantagesConfig(
    GroupAdvantages.Baseline baseline,
    GroupAdvantages.Scale scale,
    double epsilon,
    Credit credit,
    double gamma,
    Whitening whitening) {
  public GroupAdvantagesConfig {
    new Limits()
        .atLeast("epsilon", epsilon, 0)
        .within("gamma", gamma, 0, 1)
        .condition(
            "gamma",
            gamma,
            gamma == 1 || credit == Credit.TOKEN,
            "1 with credit = answer",
            "credit")
        .condition(
            "scale",
            Limits.word(scale),
            baseline != GroupAdvantages.Baseline.NONE
                || scale == GroupAdvantages.Scale.NONE
                || scale == GroupAdvantages.Scale.BATCH,
            "none or batch with baseline = none",
            "baseline")
        .verify();
  }

  boolean comparesWithinGroup() {
    return baseline != GroupAdvantages.Baseline.NONE;
  }

  /** What a token answers for. */
  public enum Credit {
    /** For the whole answer: GRPO and most of its family. */
    ANSWER,
    /** For the rewards from it on, the score on the last token: REINFORCE++. */
    TOKEN
  }
}
