package dev.troupe.rlhf.reward;

import dev.troupe.rlhf.limits.Limits;

/**
 * One reward of a stage. A stage's rewards have names, by which metrics and errors know them, and
 * its score is the sum of their scores, each times its weight.
 */
public sealed interface RewardConfig {
  /** What its score is multiplied by; below 0 for a penalty. */
  double weight();

  /** Whether it compares with the data's answer, so that a prompt without one cannot be scored. */
  default boolean needsAnswer() {
    return false;
  }

  private static Limits limits(double weight) {
    return new Limits()
        .condition("weight", weight, Double.isFinite(weight) && weight != 0, "a number but 0");
  }

  /**
   * The run's reward model: that of the stage reward, or of start.reward.
   *
   * @param placement where its score is read
   */
  record Model(double weight, Placement placement) implements RewardConfig {
    /** Where a reward model's score is read. */
    public enum Placement {
      /** At the response's last token. */
      MODERN,
      /** Where DeepSpeed-Chat reads it, with an end of sequence that is padding. */
      DEEPSPEED_CHAT
    }

    public Model {
      limits(weight).verify();
    }
  }

  /**
   * 1 where the answer found in the text is the data's, mathematically; else 0.
   *
   * @param compare by what it means, or as MATH's rule has it
   */
  @SuppressWarnings("JavaLangClash") // the configuration's word
  record Math(double weight, Compare compare) implements RewardConfig {
    /** How two answers are compared. */
    public enum Compare {
      /** {@link MathAnswer}: 1/2 is 0.5. */
      MEANING,
      /** {@link MathText}: what stands in the last box, letter by letter in a normal form. */
      TEXT
    }

    public Math {
      limits(weight).verify();
    }

    @Override
    public boolean needsAnswer() {
      return true;
    }
  }

  /**
   * 1 where the number in the text is the data's; else 0.
   *
   * @param place where the number stands
   */
  @SuppressWarnings("JavaLangClash") // the configuration's word
  record Number(double weight, NumberAnswer.Place place) implements RewardConfig {
    public Number {
      limits(weight).verify();
    }

    @Override
    public boolean needsAnswer() {
      return true;
    }
  }

  /**
   * 1 where the whole answer is the data's, white space aside; else 0.
   *
   * @param letterCase whether capitals matter
   */
  record Exact(double weight, ExactAnswer.LetterCase letterCase) implements RewardConfig {
    public Exact {
      limits(weight).verify();
    }

    @Override
    public boolean needsAnswer() {
      return true;
    }
  }

  /**
   * 1 where a regular expression finds what it is to; else 0.
   *
   * @param expression of Java's syntax; a dot matches line breaks too
   * @param use it matches the whole answer, or somewhere, or captures the data's answer
   */
  record Pattern(double weight, String expression, PatternRule.Use use) implements RewardConfig {
    public Pattern {
      String fault = PatternRule.fault(expression, use);
      limits(weight)
          .condition("expression", "\"" + expression + "\"", fault.isEmpty(), fault, "use")
          .verify();
    }

    @Override
    public boolean needsAnswer() {
      return use == PatternRule.Use.CAPTURES;
    }
  }
}
