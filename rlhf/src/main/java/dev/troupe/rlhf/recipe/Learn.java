package dev.troupe.rlhf.recipe;

import dev.troupe.rlhf.limits.Limits;
import dev.troupe.rlhf.loss.DpoLoss;
import dev.troupe.rlhf.loss.Ratio;
import java.util.Locale;
import java.util.Optional;

/** What is learned from groups of scored answers. */
public sealed interface Learn {
  /**
   * Answers better than the others become more likely, worse ones less: GRPO and its family.
   *
   * @param ratio of a token or of a whole answer
   * @param averaging what the loss is a mean over
   * @param entropyCoefficient bonus for entropy, 0 for none
   */
  record PolicyGradient(
      Ratio ratio, SurrogateConfig surrogate, Mean averaging, double entropyCoefficient)
      implements Learn {
    public PolicyGradient {
      new Limits()
          .atLeast("entropy-coefficient", entropyCoefficient, 0)
          .condition(
              "averaging",
              averaging.name().toLowerCase(Locale.ROOT),
              ratio == Ratio.TOKEN || averaging == Mean.ANSWER,
              "answer, where the ratio is one of a whole answer",
              "ratio")
          .verify();
    }
  }

  /**
   * The best answer of each group is imitated (best of n; RAFT, Dong et al. 2023,
   * arXiv:2304.06767).
   *
   * @param above only where its score is above this; absent for always
   */
  record BestOfN(Optional<Double> above) implements Learn {}

  /**
   * The best and the worst answer of each group are a pair (online DPO, Guo et al. 2024,
   * arXiv:2402.04792).
   *
   * @param variant of the loss
   * @param beta how hard the policy is held to the one it started from
   * @param labelSmoothing share of pairs taken to be judged the wrong way round
   */
  record Preferences(DpoLoss.Variant variant, double beta, double labelSmoothing) implements Learn {
    public Preferences {
      new Limits()
          .above("beta", beta, 0)
          .condition(
              "label-smoothing",
              labelSmoothing,
              labelSmoothing >= 0
                  && labelSmoothing < 0.5
                  && (labelSmoothing == 0 || variant.smooths()),
              "from 0 up to, not including, 0.5; and 0 with a variant that does not smooth",
              "variant")
          .verify();
    }
  }

  /** What the loss of a policy gradient is a mean over. */
  enum Mean {
    /** All tokens of the step alike: DAPO. */
    TOKEN,
    /** Tokens within each answer, then answers: GRPO. */
    ANSWER,
    /** Each answer's tokens over the limit on new tokens, then answers: Dr.GRPO. */
    LIMIT,
    /** The tokens of all answers to a prompt, then prompts: ScaleRL. */
    PROMPT
  }
}
