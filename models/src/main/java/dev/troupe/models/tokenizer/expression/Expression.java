package dev.troupe.models.tokenizer.expression;

import java.util.List;

/** A regular expression as Oniguruma understands it, as far as its cost depends on it. */
sealed interface Expression {
  /** One letter of a class; the classes are compared where loops nest. */
  record Letter(LetterClass letters) implements Expression {}

  /** A place, such as a word's boundary: takes no letter and may fail. */
  record Place() implements Expression {}

  /** What must, or must not, lie before or behind; tried once. */
  record Look(Expression body) implements Expression {}

  /** Tried once, and never again in another way. */
  record Atomic(Expression body) implements Expression {}

  record Sequence(List<Expression> parts) implements Expression {}

  record Choice(List<Expression> ways) implements Expression {}

  /**
   * A loop, greedy or lazy.
   *
   * @param most {@link #ENDLESS} for no bound
   */
  record Loop(Expression body, int least, int most) implements Expression {
    static final int ENDLESS = Integer.MAX_VALUE;
  }
}
