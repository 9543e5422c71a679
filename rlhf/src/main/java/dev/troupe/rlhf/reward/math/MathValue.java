package dev.troupe.rlhf.reward.math;

import java.util.List;

/** What an answer can be. */
sealed interface MathValue {
  record Formula(Expression expression) implements MathValue {}

  /** (1, 2), [0, 1): ordered, the brackets count. */
  record Bracketed(char open, List<MathValue> items, char close) implements MathValue {}

  /** {1, 2}, and 1, 2 without brackets: not ordered. */
  record Several(List<MathValue> items) implements MathValue {}

  /** A union of intervals or sets, not ordered. */
  record Union(List<MathValue> parts) implements MathValue {}

  record Matrix(List<List<MathValue>> rows) implements MathValue {}

  /** One or two relations in a row: x = 5, 0 ≤ x &lt; 1. */
  record Relations(List<Expression> sides, List<Relation> between) implements MathValue {}

  /** Between two sides. */
  enum Relation {
    EQUAL,
    NOT_EQUAL,
    LESS,
    AT_MOST,
    GREATER,
    AT_LEAST;

    Relation flipped() {
      return switch (this) {
        case LESS -> GREATER;
        case AT_MOST -> AT_LEAST;
        case GREATER -> LESS;
        case AT_LEAST -> AT_MOST;
        default -> this;
      };
    }
  }
}
