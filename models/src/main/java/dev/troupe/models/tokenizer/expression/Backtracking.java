package dev.troupe.models.tokenizer.expression;

import dev.troupe.models.tokenizer.expression.Expression.Atomic;
import dev.troupe.models.tokenizer.expression.Expression.Choice;
import dev.troupe.models.tokenizer.expression.Expression.Letter;
import dev.troupe.models.tokenizer.expression.Expression.Look;
import dev.troupe.models.tokenizer.expression.Expression.Loop;
import dev.troupe.models.tokenizer.expression.Expression.Place;
import dev.troupe.models.tokenizer.expression.Expression.Sequence;

/**
 * How many trials a backtracking matcher makes at most at one place of a text. Counted from the end
 * of the expression to its beginning: what a loop of n letters costs depends on what follows, which
 * is tried anew behind each of them when it fails, and only once when it cannot fail.
 *
 * <p>Never too small; too large where alternatives exclude each other.
 */
public final class Backtracking {
  /** Oniguruma gives up at ten million; some of that is kept back. */
  private static final double MOST_TRIALS = 8e6;

  /** Loops with such a bound are unrolled; with a larger one they count as endless. */
  private static final int UNROLLED = 16;

  private static final int LONGEST_TEXT = 1 << 26;
  private static final int MOST_VISITS = 100_000;

  private int visits;

  private Backtracking() {}

  /**
   * What an expression and all that follows it costs.
   *
   * @param failing trials until it has failed in every way
   * @param whole trials until it has either matched or failed, not fewer than failing
   * @param canFail whether it may not match at all
   */
  private record Cost(Growth failing, Growth whole, boolean canFail) {
    static final Cost END = new Cost(Growth.NONE, Growth.NONE, false);
    static final Cost BOUNDLESS = new Cost(Growth.BOUNDLESS, Growth.BOUNDLESS, true);
  }

  /**
   * The longest text, in letters, whatever its letters, that the expression is safe for.
   *
   * @return 0 for an expression that a short text may keep busy without end
   * @throws ExpressionException when the expression cannot be judged
   */
  public static int longestText(String expression) {
    Growth trials = trials(ExpressionParser.parse(expression));
    int low = 0;
    int high = LONGEST_TEXT;
    while (low < high) {
      int middle = low + (high - low + 1) / 2;
      if (trials.at(middle) <= MOST_TRIALS) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return trials.isBoundless() ? 0 : low;
  }

  /** Whether the expression may match without taking a letter. */
  public static boolean matchesNothing(String expression) {
    return isNullable(ExpressionParser.parse(expression));
  }

  static Growth trials(Expression expression) {
    return new Backtracking().cost(expression, Cost.END).whole();
  }

  private Cost cost(Expression expression, Cost rest) {
    if (++visits > MOST_VISITS) {
      return Cost.BOUNDLESS;
    } else if (expression instanceof Letter || expression instanceof Place) {
      // Either it fails, or the rest is tried, which then fails as often as it does.
      return new Cost(rest.failing().orOne(), rest.whole().orOne(), true);
    } else if (expression instanceof Look look) {
      return once(cost(look.body(), Cost.END), rest, true);
    } else if (expression instanceof Atomic atomic) {
      Cost body = cost(atomic.body(), Cost.END);
      return once(body, rest, body.canFail() || rest.canFail());
    } else if (expression instanceof Sequence sequence) {
      Cost cost = rest;
      for (int i = sequence.parts().size() - 1; i >= 0; i--) {
        cost = cost(sequence.parts().get(i), cost);
      }
      return cost;
    } else if (expression instanceof Choice choice) {
      return choice.ways().stream().map(way -> cost(way, rest)).reduce(Backtracking::either).get();
    }
    return loop((Loop) expression, rest);
  }

  private static Cost once(Cost body, Cost rest, boolean canFail) {
    Growth tried = body.whole().plus(Growth.ONE);
    return new Cost(tried.plus(rest.failing()), tried.plus(rest.whole()), canFail);
  }

  private static Cost either(Cost first, Cost second) {
    return new Cost(
        first.failing().plus(second.failing()),
        first.whole().plus(second.whole()),
        first.canFail() && second.canFail());
  }

  private Cost loop(Loop loop, Cost rest) {
    boolean unrolled = loop.most() <= UNROLLED;
    Cost cost = unrolled ? rest : endless(loop.body(), rest);
    for (int i = unrolled ? loop.most() : loop.least(); i > 0; i--) {
      Cost again = cost(loop.body(), cost);
      cost = i > loop.least() ? either(again, rest) : again;
    }
    return cost;
  }

  private Cost endless(Expression body, Cost rest) {
    Growth turn =
        body instanceof Letter ? Growth.NONE : cost(body, Cost.END).whole().plus(Growth.ONE);
    Growth round = turn.times(Growth.LENGTH).plus(Growth.ONE);
    if (!rest.canFail()) {
      // It goes round as long as it can, and that is that.
      return new Cost(Growth.NONE, round.plus(rest.whole()), false);
    } else if (!new Determinism(body).holds()) {
      return Cost.BOUNDLESS;
    }
    Growth ends = Growth.LENGTH.plus(Growth.ONE);
    Growth failing = round.plus(ends.times(rest.failing()));
    return new Cost(failing, failing.plus(rest.whole()), true);
  }

  static boolean isNullable(Expression expression) {
    if (expression instanceof Letter) {
      return false;
    } else if (expression instanceof Sequence sequence) {
      return sequence.parts().stream().allMatch(Backtracking::isNullable);
    } else if (expression instanceof Choice choice) {
      return choice.ways().stream().anyMatch(Backtracking::isNullable);
    } else if (expression instanceof Loop loop) {
      return loop.least() == 0 || isNullable(loop.body());
    } else if (expression instanceof Atomic atomic) {
      return isNullable(atomic.body());
    }
    return true;
  }
}
