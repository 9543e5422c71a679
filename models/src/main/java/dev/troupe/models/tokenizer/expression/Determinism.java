package dev.troupe.models.tokenizer.expression;

import dev.troupe.models.tokenizer.expression.Expression.Choice;
import dev.troupe.models.tokenizer.expression.Expression.Letter;
import dev.troupe.models.tokenizer.expression.Expression.Loop;
import dev.troupe.models.tokenizer.expression.Expression.Sequence;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Whether going round in a loop leaves at every letter one way alone: then its trials add up, and
 * else they multiply. Glushkov's test: wherever in the body a letter may follow, the classes that
 * it may be of are disjoint.
 */
final class Determinism {
  private static final int MOST_PLACES = 64;

  private final List<LetterClass> places = new ArrayList<>();
  private final Map<Integer, List<Integer>> follow = new LinkedHashMap<>();
  private final boolean holds;

  /** A place stands in them as often as there are ways to it: two ways to one place are two. */
  private record Ends(List<Integer> first, List<Integer> last, boolean nullable) {}

  Determinism(Expression body) {
    if (body instanceof Letter) {
      holds = true;
      return;
    }
    if (Backtracking.isNullable(body) || !isPlain(body)) {
      holds = false;
      return;
    }
    Ends ends = ends(body);
    ends.last().forEach(place -> follow(place, ends.first()));
    holds =
        places.size() <= MOST_PLACES
            && areDisjoint(ends.first())
            && follow.values().stream().allMatch(this::areDisjoint);
  }

  boolean holds() {
    return holds;
  }

  /** Looking around and trying only once are beyond the test. */
  private static boolean isPlain(Expression expression) {
    if (expression instanceof Sequence sequence) {
      return sequence.parts().stream().allMatch(Determinism::isPlain);
    } else if (expression instanceof Choice choice) {
      return choice.ways().stream().allMatch(Determinism::isPlain);
    } else if (expression instanceof Loop loop) {
      // A counted loop is one place of the test, but several of the expression.
      boolean uncounted = loop.most() == Loop.ENDLESS || loop.most() == 1;
      boolean exact = loop.least() == loop.most() && loop.body() instanceof Letter;
      return exact || (uncounted && isPlain(loop.body()));
    }
    return expression instanceof Letter;
  }

  private Ends ends(Expression expression) {
    if (expression instanceof Letter letter) {
      List<Integer> place = List.of(places.size());
      places.add(letter.letters());
      return new Ends(place, place, false);
    } else if (expression instanceof Loop loop) {
      Ends body = ends(loop.body());
      if (loop.most() == Loop.ENDLESS) {
        body.last().forEach(place -> follow(place, body.first()));
      }
      return new Ends(body.first(), body.last(), body.nullable() || loop.least() == 0);
    } else if (expression instanceof Choice choice) {
      List<Integer> first = new ArrayList<>();
      List<Integer> last = new ArrayList<>();
      boolean nullable = false;
      for (Expression way : choice.ways()) {
        Ends ends = ends(way);
        first.addAll(ends.first());
        last.addAll(ends.last());
        nullable |= ends.nullable();
      }
      return new Ends(first, last, nullable);
    }
    Ends whole = new Ends(List.of(), List.of(), true);
    for (Expression part : ((Sequence) expression).parts()) {
      Ends next = ends(part);
      whole.last().forEach(place -> follow(place, next.first()));
      whole =
          new Ends(
              whole.nullable() ? union(whole.first(), next.first()) : whole.first(),
              next.nullable() ? union(whole.last(), next.last()) : next.last(),
              whole.nullable() && next.nullable());
    }
    return whole;
  }

  private void follow(int place, List<Integer> next) {
    follow.computeIfAbsent(place, none -> new ArrayList<>()).addAll(next);
  }

  private static List<Integer> union(List<Integer> some, List<Integer> more) {
    List<Integer> all = new ArrayList<>(some);
    all.addAll(more);
    return all;
  }

  private boolean areDisjoint(List<Integer> all) {
    for (int i = 0; i < all.size(); i++) {
      for (int j = i + 1; j < all.size(); j++) {
        if (!places.get(all.get(i)).isDisjoint(places.get(all.get(j)))) {
          return false;
        }
      }
    }
    return true;
  }
}
