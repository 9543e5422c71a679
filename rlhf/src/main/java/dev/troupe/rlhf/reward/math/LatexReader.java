package dev.troupe.rlhf.reward.math;

import dev.troupe.rlhf.reward.math.LatexTokens.Kind;
import dev.troupe.rlhf.reward.math.LatexTokens.Token;
import dev.troupe.rlhf.reward.math.MathValue.Relation;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Reads the LaTeX of an answer: lists, sets, intervals, unions, matrices and relations of {@link
 * Expression}s. Plain text such as {@code 2x+1} is read as well.
 */
final class LatexReader {
  /** Longer answers are not read as mathematics. */
  static final int LONGEST = 1000;

  private static final int DEEPEST = 60;
  private static final Map<String, Relation> RELATIONS =
      Map.ofEntries(
          Map.entry("=", Relation.EQUAL),
          Map.entry("<", Relation.LESS),
          Map.entry(">", Relation.GREATER),
          Map.entry("lt", Relation.LESS),
          Map.entry("gt", Relation.GREATER),
          Map.entry("le", Relation.AT_MOST),
          Map.entry("leq", Relation.AT_MOST),
          Map.entry("leqslant", Relation.AT_MOST),
          Map.entry("ge", Relation.AT_LEAST),
          Map.entry("geq", Relation.AT_LEAST),
          Map.entry("geqslant", Relation.AT_LEAST),
          Map.entry("ne", Relation.NOT_EQUAL),
          Map.entry("neq", Relation.NOT_EQUAL));

  private final int plusMinus;
  private final int depth;

  private LatexReader(int plusMinus, int depth) {
    this.plusMinus = plusMinus;
    this.depth = depth;
  }

  /** The value, or nothing for what is no mathematics that this reads. */
  static Optional<MathValue> read(String latex) {
    if (latex.isBlank() || latex.length() > LONGEST) {
      return Optional.empty();
    }
    try {
      return Optional.of(new LatexReader(1, 0).list(LatexTokens.of(latex)));
    } catch (Unreadable e) {
      return Optional.empty();
    }
  }

  /** That a text is not what this reads. */
  static final class Unreadable extends RuntimeException {
    Unreadable() {
      super("not readable", null, false, false);
    }
  }

  private LatexReader deeper() {
    if (depth > DEEPEST) {
      throw new Unreadable();
    }
    return new LatexReader(plusMinus, depth + 1);
  }

  private MathValue list(List<Token> tokens) {
    List<MathValue> items = new ArrayList<>();
    for (List<Token> part : split(tokens, LatexReader::partsList)) {
      boolean either = part.stream().anyMatch(t -> t.isCommand("pm") || t.isCommand("mp"));
      items.add(deeper().single(part));
      if (either) {
        items.add(new LatexReader(-plusMinus, depth + 1).single(part));
      }
    }
    return items.size() == 1 ? items.get(0) : new MathValue.Several(items);
  }

  private static boolean partsList(Token token) {
    return token.is(",")
        || token.is(";")
        || (token.kind() == Kind.TEXT && (token.text().equals("and") || token.text().equals("or")));
  }

  private MathValue single(List<Token> tokens) {
    List<List<Token>> parts = split(tokens, token -> token.isCommand("cup"));
    if (parts.size() > 1) {
      return new MathValue.Union(parts.stream().map(deeper()::single).toList());
    }
    List<List<Token>> members = split(tokens, token -> token.isCommand("in"));
    if (members.size() == 2) {
      return deeper().single(members.get(1)); // x ∈ S says S
    }
    return bracketed(tokens).orElseGet(() -> relation(tokens));
  }

  /** Sets, tuples, intervals and matrices; one expression in brackets is none of them. */
  private Optional<MathValue> bracketed(List<Token> tokens) {
    if (tokens.isEmpty()) {
      throw new Unreadable();
    }
    Token first = tokens.get(0);
    Token last = tokens.get(tokens.size() - 1);
    if (tokens.size() == 1 && (first.isCommand("emptyset") || first.isCommand("varnothing"))) {
      return Optional.of(new MathValue.Several(List.of()));
    }
    if (first.isCommand("begin")) {
      return Optional.of(matrix(tokens));
    }
    if (closing(tokens, 0) != tokens.size() - 1) {
      return Optional.empty();
    }
    List<Token> inner = tokens.subList(1, tokens.size() - 1);
    if (first.isCommand("{")) {
      return Optional.of(
          inner.isEmpty() ? new MathValue.Several(List.of()) : new MathValue.Several(items(inner)));
    }
    if ((first.is("(") || first.is("[")) && split(inner, t -> t.is(",")).size() > 1) {
      return Optional.of(
          new MathValue.Bracketed(first.text().charAt(0), items(inner), last.text().charAt(0)));
    }
    return Optional.empty();
  }

  private List<MathValue> items(List<Token> tokens) {
    return split(tokens, t -> t.is(",")).stream().map(deeper()::single).toList();
  }

  private MathValue matrix(List<Token> tokens) {
    int from = groupEnd(tokens, 1) + 1;
    int to = tokens.size() - 1;
    while (to > from && !tokens.get(to).isCommand("end")) {
      to--;
    }
    if (to <= from || groupEnd(tokens, to + 1) != tokens.size() - 1) {
      throw new Unreadable();
    }
    List<List<MathValue>> rows = new ArrayList<>();
    for (List<Token> row : split(tokens.subList(from, to), t -> t.isCommand("\\"))) {
      rows.add(split(row, t -> t.is("&")).stream().map(deeper()::single).toList());
    }
    return new MathValue.Matrix(rows);
  }

  private static int groupEnd(List<Token> tokens, int open) {
    int end = open < tokens.size() && tokens.get(open).is("{") ? closing(tokens, open) : -1;
    if (end < 0) {
      throw new Unreadable();
    }
    return end;
  }

  private MathValue relation(List<Token> tokens) {
    List<Expression> sides = new ArrayList<>();
    List<Relation> between = new ArrayList<>();
    List<List<Token>> parts = new ArrayList<>();
    int start = 0;
    int nested = 0;
    for (int i = 0; i < tokens.size(); i++) {
      Token token = tokens.get(i);
      nested += step(token);
      Relation relation =
          nested == 0 && token.kind() != Kind.TEXT ? RELATIONS.get(token.text()) : null;
      if (relation != null) {
        parts.add(tokens.subList(start, i));
        between.add(relation);
        start = i + 1;
      }
    }
    parts.add(tokens.subList(start, tokens.size()));
    for (List<Token> part : parts) {
      sides.add(expression(part));
    }
    return switch (between.size()) {
      case 0 -> new MathValue.Formula(sides.get(0));
      case 1, 2 -> new MathValue.Relations(sides, between);
      default -> throw new Unreadable();
    };
  }

  private Expression expression(List<Token> tokens) {
    return new ExpressionReader(tokens, plusMinus, depth).whole();
  }

  /** Parts between separators outside all brackets; a part may be empty. */
  private static List<List<Token>> split(List<Token> tokens, Predicate<Token> separator) {
    List<List<Token>> parts = new ArrayList<>();
    int start = 0;
    int nested = 0;
    for (int i = 0; i < tokens.size(); i++) {
      nested += step(tokens.get(i));
      if (nested == 0 && separator.test(tokens.get(i))) {
        parts.add(tokens.subList(start, i));
        start = i + 1;
      }
    }
    parts.add(tokens.subList(start, tokens.size()));
    return parts;
  }

  static int step(Token token) {
    if (token.is("(")
        || token.is("[")
        || token.is("{")
        || token.isCommand("{")
        || token.isCommand("begin")) {
      return 1;
    }
    return token.is(")")
            || token.is("]")
            || token.is("}")
            || token.isCommand("}")
            || token.isCommand("end")
        ? -1
        : 0;
  }

  /** The index of the bracket that closes the one at {@code open}, or −1; [0, 1) is closed too. */
  static int closing(List<Token> tokens, int open) {
    int nested = 0;
    for (int i = open; i < tokens.size(); i++) {
      nested += step(tokens.get(i));
      if (nested == 0) {
        return i > open ? i : -1;
      }
    }
    return -1;
  }
}
