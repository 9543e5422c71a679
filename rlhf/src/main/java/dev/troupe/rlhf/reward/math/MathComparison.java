package dev.troupe.rlhf.reward.math;

import dev.troupe.rlhf.reward.math.Expression.Operation;
import dev.troupe.rlhf.reward.math.MathValue.Relation;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Whether two answers are the same, by the rules that math-verify made usual: numbers exactly, to
 * six decimals where one is written with a point; formulas by their values; sets and lists without
 * regard to order, tuples and intervals with it; a percentage is its number or its hundredth; an
 * interval answers a question for an inequality, not the other way round. Values beyond a double's
 * range that have no exact form equal nothing.
 */
public final class MathComparison {
  private static final int POINTS = 8;
  private static final int FEWEST_FINITE = 3;
  private static final double SIX_DECIMALS = 5e-7;
  private static final double CLOSE = 1e-9;
  private static final int MOST_ITEMS = 100;

  private MathComparison() {}

  /**
   * Whether {@code answers}, as they stand in LaTeX, say what {@code reference} says. Several
   * different answers are a list.
   */
  public static boolean same(String reference, List<String> answers) {
    Optional<MathValue> expected = LatexReader.read(reference);
    if (answers.size() > MOST_ITEMS) {
      return false;
    }
    List<MathValue> given = new ArrayList<>();
    for (String answer : answers) {
      Optional<MathValue> value = LatexReader.read(answer);
      if (value.isEmpty()) {
        return false;
      }
      if (given.stream().noneMatch(known -> same(known, value.get()))) {
        given.add(value.get());
      }
    }
    if (expected.isEmpty() || given.isEmpty()) {
      return false;
    }
    return same(expected.get(), given.size() == 1 ? given.get(0) : new MathValue.Several(given));
  }

  /** Whether the text can be read as mathematics at all. */
  public static boolean reads(String latex) {
    return LatexReader.read(latex).isPresent();
  }

  private static boolean same(MathValue expected, MathValue given) {
    MathValue e = alone(expected);
    MathValue g = alone(given);
    if (e instanceof MathValue.Formula formula) {
      return g instanceof MathValue.Formula other
          ? equal(formula.expression(), other.expression())
          : assigned(g).map(value -> equal(formula.expression(), value)).orElse(false);
    }
    if (e instanceof MathValue.Relations relations) {
      return relations(relations, g);
    }
    if (e instanceof MathValue.Several several) {
      return g instanceof MathValue.Several other && sameSet(several.items(), other.items());
    }
    if (e instanceof MathValue.Union union) {
      return g instanceof MathValue.Union other && sameSet(union.parts(), other.parts());
    }
    if (e instanceof MathValue.Bracketed bracketed) {
      return g instanceof MathValue.Bracketed other
          && bracketed.open() == other.open()
          && bracketed.close() == other.close()
          && inOrder(bracketed.items(), other.items());
    }
    MathValue.Matrix matrix = (MathValue.Matrix) e;
    return g instanceof MathValue.Matrix other
        && matrix.rows().size() == other.rows().size()
        && inOrderRows(matrix.rows(), other.rows());
  }

  /** A list of one is that one. */
  private static MathValue alone(MathValue value) {
    return value instanceof MathValue.Several several && several.items().size() == 1
        ? several.items().get(0)
        : value;
  }

  private static boolean inOrderRows(List<List<MathValue>> expected, List<List<MathValue>> given) {
    for (int i = 0; i < expected.size(); i++) {
      if (!inOrder(expected.get(i), given.get(i))) {
        return false;
      }
    }
    return true;
  }

  private static boolean inOrder(List<MathValue> expected, List<MathValue> given) {
    if (expected.size() != given.size()) {
      return false;
    }
    for (int i = 0; i < expected.size(); i++) {
      if (!same(expected.get(i), given.get(i))) {
        return false;
      }
    }
    return true;
  }

  private static boolean sameSet(List<MathValue> expected, List<MathValue> given) {
    if (expected.size() != given.size() || expected.size() > MOST_ITEMS) {
      return false;
    }
    List<MathValue> left = new ArrayList<>(given);
    for (MathValue item : expected) {
      Optional<MathValue> found = left.stream().filter(other -> same(item, other)).findFirst();
      if (found.isEmpty()) {
        return false;
      }
      left.remove(found.get());
    }
    return true;
  }

  /** The right side of x = …, a single name on the left. */
  private static Optional<Expression> assigned(MathValue value) {
    return value instanceof MathValue.Relations relations
            && relations.between().equals(List.of(Relation.EQUAL))
            && relations.sides().get(0) instanceof Expression.Variable
        ? Optional.of(relations.sides().get(1))
        : Optional.empty();
  }

  private static boolean relations(MathValue.Relations expected, MathValue given) {
    if (given instanceof MathValue.Formula formula) {
      return assigned(expected).map(value -> equal(value, formula.expression())).orElse(false);
    }
    if (given instanceof MathValue.Relations other) {
      return other.between().size() == expected.between().size()
          && (sameDirection(expected, other) || sameDirection(expected, flipped(other)));
    }
    return interval(expected).map(interval -> same(interval, given)).orElse(false);
  }

  private static MathValue.Relations flipped(MathValue.Relations relations) {
    List<Expression> sides = new ArrayList<>(relations.sides());
    Collections.reverse(sides);
    List<Relation> between = new ArrayList<>();
    for (Relation relation : relations.between()) {
      between.add(0, relation.flipped());
    }
    return new MathValue.Relations(sides, between);
  }

  /** Side by side: the same relations, and differences that are the same up to a factor. */
  private static boolean sameDirection(MathValue.Relations a, MathValue.Relations b) {
    if (!a.between().equals(b.between())) {
      return false;
    }
    for (int i = 0; i < a.between().size(); i++) {
      Expression first = difference(a, i);
      Expression second = difference(b, i);
      boolean anySign =
          a.between().get(i) == Relation.EQUAL || a.between().get(i) == Relation.NOT_EQUAL;
      if (!proportional(first, second, anySign)) {
        return false;
      }
    }
    return true;
  }

  private static Expression difference(MathValue.Relations relations, int at) {
    return Expression.of(
        Operation.SUBTRACT, relations.sides().get(at), relations.sides().get(at + 1));
  }

  /** a ≤ x &lt; b as [a, b), and x &gt; a as (a, ∞). */
  private static Optional<MathValue> interval(MathValue.Relations relations) {
    MathValue.Relations rising =
        relations.between().get(0) == Relation.GREATER
                || relations.between().get(0) == Relation.AT_LEAST
            ? flipped(relations)
            : relations;
    List<Expression> sides = rising.sides();
    List<Relation> between = rising.between();
    if (!between.stream().allMatch(r -> r == Relation.LESS || r == Relation.AT_MOST)) {
      return Optional.empty();
    }
    Expression infinity = new Expression.Constant(Complex.of(Double.POSITIVE_INFINITY));
    if (sides.size() == 3) {
      return Optional.of(interval(sides.get(0), between.get(0), sides.get(2), between.get(1)));
    }
    return Optional.of(
        sides.get(0) instanceof Expression.Variable
            ? interval(
                Expression.of(Operation.NEGATE, infinity),
                Relation.LESS,
                sides.get(1),
                between.get(0))
            : interval(sides.get(0), between.get(0), infinity, Relation.LESS));
  }

  private static MathValue interval(
      Expression from, Relation above, Expression to, Relation below) {
    return new MathValue.Bracketed(
        above == Relation.AT_MOST ? '[' : '(',
        List.of(new MathValue.Formula(from), new MathValue.Formula(to)),
        below == Relation.AT_MOST ? ']' : ')');
  }

  private static boolean equal(Expression a, Expression b) {
    Optional<Expression> partOfA = percentage(a);
    Optional<Expression> partOfB = percentage(b);
    if (partOfA.isPresent() && partOfB.isPresent()) {
      return equal(partOfA.get(), partOfB.get());
    }
    if (partOfA.isPresent()) {
      return sameValue(partOfA.get(), b) || sameValue(a, b);
    }
    return sameValue(a, b) || partOfB.filter(number -> sameValue(a, number)).isPresent();
  }

  private static Optional<Expression> percentage(Expression expression) {
    return expression instanceof Expression.Apply apply && apply.operation() == Operation.PERCENT
        ? Optional.of(apply.arguments().get(0))
        : Optional.empty();
  }

  private static boolean sameValue(Expression a, Expression b) {
    boolean decimals = a.hasDecimals() || b.hasDecimals();
    Optional<Rational> exactA = a.exact();
    Optional<Rational> exactB = b.exact();
    if (exactA.isPresent() && exactB.isPresent()) {
      boolean equal = exactA.equals(exactB);
      if (equal || !decimals) {
        return equal;
      }
    }
    double absolute = decimals ? SIX_DECIMALS : CLOSE;
    Set<String> names = names(a, b);
    if (names.isEmpty()) {
      Complex x = a.at(Map.of());
      Complex y = b.at(Map.of());
      // Infinities are equal as such, where they are meant and no number too large to be told.
      boolean infinite = a.hasInfinity() && b.hasInfinity() && !Double.isNaN(x.re());
      return (infinite && x.equals(y)) || x.near(y, absolute, 1e-12);
    }
    int finite = 0;
    for (Map<String, Complex> point : points(names)) {
      Complex x = a.at(point);
      Complex y = b.at(point);
      if (x.isFinite() && y.isFinite()) {
        finite++;
        if (!x.near(y, absolute, CLOSE)) {
          return false;
        }
      }
    }
    return finite >= FEWEST_FINITE;
  }

  /** Whether a = k·b for one k that is not 0, above 0 unless any sign will do. */
  private static boolean proportional(Expression a, Expression b, boolean anySign) {
    Complex factor = null;
    int finite = 0;
    for (Map<String, Complex> point : points(names(a, b))) {
      Complex x = a.at(point);
      Complex y = b.at(point);
      if (!x.isFinite() || !y.isFinite()) {
        continue;
      }
      Complex ratio = x.over(y);
      if (!ratio.isFinite()
          || ratio.abs() < CLOSE
          || (!anySign && ratio.re() < 0)
          || (factor != null && !ratio.near(factor, 0, 1e-7))) {
        return false;
      }
      factor = ratio;
      finite++;
    }
    return finite >= FEWEST_FINITE;
  }

  private static Set<String> names(Expression a, Expression b) {
    Set<String> names = a.variables();
    names.addAll(b.variables());
    return names;
  }

  /** The same points each time: of both signs, and none where formulas tend to be special. */
  private static List<Map<String, Complex>> points(Set<String> names) {
    SplittableRandom random = new SplittableRandom(20_260_101);
    List<Map<String, Complex>> points = new ArrayList<>();
    for (int i = 0; i < POINTS; i++) {
      Map<String, Complex> point = new HashMap<>();
      for (String name : names) {
        double size = 0.3 + 2 * random.nextDouble();
        point.put(name, Complex.of(i % 3 == 2 ? -size : size));
      }
      points.add(point);
    }
    return points;
  }
}
