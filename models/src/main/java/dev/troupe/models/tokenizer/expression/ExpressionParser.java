package dev.troupe.models.tokenizer.expression;

import java.util.ArrayList;
import java.util.List;

/** Reads Oniguruma's syntax (that of Ruby) as far as the cost depends on it. */
final class ExpressionParser {
  /** Oniguruma's own parser calls itself for each level, on a stack that is not ours. */
  private static final int DEEPEST = 100;

  private static final int LONGEST = 20_000;

  private final String text;
  private int at;
  private int depth;

  private ExpressionParser(String text) {
    this.text = text;
  }

  static Expression parse(String text) {
    if (text.length() > LONGEST) {
      throw new ExpressionException("it is longer than " + LONGEST + " letters");
    }
    ExpressionParser parser = new ExpressionParser(text);
    Expression whole = parser.choice(false);
    if (parser.at < text.length()) {
      throw parser.unexpected("a ) that closes nothing");
    }
    return whole;
  }

  private Expression choice(boolean ignoresCase) {
    if (++depth > DEEPEST) {
      throw unexpected("more than " + DEEPEST + " groups within one another");
    }
    List<Expression> ways = new ArrayList<>();
    List<Expression> parts = new ArrayList<>();
    while (at < text.length() && text.charAt(at) != ')') {
      if (take("|")) {
        ways.add(sequence(parts));
        parts = new ArrayList<>();
      } else if (flags() >= 0) {
        // (?i) holds to the end of the group, further alternatives included.
        boolean inner = setsCase(ignoresCase);
        parts.add(choice(inner));
        depth--;
      } else {
        parts.add(loops(atom(ignoresCase)));
      }
    }
    ways.add(sequence(parts));
    depth--;
    return ways.size() == 1 ? ways.get(0) : new Expression.Choice(List.copyOf(ways));
  }

  private static Expression sequence(List<Expression> parts) {
    return parts.size() == 1 ? parts.get(0) : new Expression.Sequence(List.copyOf(parts));
  }

  /** Where the flags that begin here end, before ) alone; -1 when none do. */
  private int flags() {
    if (!text.startsWith("(?", at)) {
      return -1;
    }
    int end = at + 2;
    while (end < text.length() && "imx-".indexOf(text.charAt(end)) >= 0) {
      end++;
    }
    return end > at + 2 && end < text.length() && text.charAt(end) == ')' ? end : -1;
  }

  private boolean setsCase(boolean before) {
    int end = flags();
    String flags = text.substring(at + 2, end);
    at = end + 1;
    depth++;
    return cased(flags, before);
  }

  private boolean cased(String flags, boolean before) {
    String on = flags.contains("-") ? flags.substring(0, flags.indexOf('-')) : flags;
    if (on.contains("x")) {
      throw unexpected("the flag x");
    }
    return on.contains("i") || (before && !flags.substring(on.length()).contains("i"));
  }

  private Expression loops(Expression atom) {
    Expression looped = atom;
    while (at < text.length()) {
      if (take("*")) {
        looped = suffixed(new Expression.Loop(looped, 0, Expression.Loop.ENDLESS));
      } else if (take("+")) {
        looped = suffixed(new Expression.Loop(looped, 1, Expression.Loop.ENDLESS));
      } else if (take("?")) {
        looped = suffixed(new Expression.Loop(looped, 0, 1));
      } else {
        int[] bounds = interval();
        if (bounds.length == 0) {
          return looped;
        }
        looped = new Expression.Loop(looped, bounds[0], bounds[1]);
        if (take("?") && bounds[0] == bounds[1]) {
          looped = new Expression.Loop(looped, 0, 1);
        }
      }
    }
    return looped;
  }

  /** Lazy loops cost what greedy ones do; possessive ones are not tried again. */
  private Expression suffixed(Expression.Loop loop) {
    if (take("+")) {
      return new Expression.Atomic(loop);
    }
    take("?");
    return loop;
  }

  private int[] interval() {
    java.util.regex.Matcher matcher =
        java.util.regex.Pattern.compile("\\{(\\d{0,6})(,?)(\\d{0,6})\\}")
            .matcher(text)
            .region(at, text.length());
    if (!matcher.lookingAt() || (matcher.group(1).isEmpty() && matcher.group(3).isEmpty())) {
      return new int[0];
    }
    at = matcher.end();
    int least = matcher.group(1).isEmpty() ? 0 : Integer.parseInt(matcher.group(1));
    int most =
        matcher.group(2).isEmpty()
            ? least
            : matcher.group(3).isEmpty()
                ? Expression.Loop.ENDLESS
                : Integer.parseInt(matcher.group(3));
    return new int[] {Math.min(least, most), Math.max(least, most)};
  }

  private Expression atom(boolean ignoresCase) {
    int start = at;
    char first = text.charAt(at);
    if (first == '(') {
      return group(ignoresCase);
    } else if (first == '[') {
      skipClass();
      return letter(text.substring(start, at), ignoresCase);
    } else if (first == '\\') {
      return escape(ignoresCase);
    } else if (take("^") || take("$")) {
      return new Expression.Place();
    } else if (take(".")) {
      return letter(".", ignoresCase);
    }
    at += Character.charCount(text.codePointAt(at));
    String itself = text.substring(start, at);
    return letter(java.util.regex.Pattern.quote(itself), ignoresCase);
  }

  private static Expression letter(String written, boolean ignoresCase) {
    return new Expression.Letter(new LetterClass(written, ignoresCase));
  }

  private Expression group(boolean ignoresCase) {
    if (take("(?#")) {
      int end = text.indexOf(')', at);
      if (end < 0) {
        throw unexpected("a comment that does not end");
      }
      at = end + 1;
      return new Expression.Sequence(List.of());
    } else if (take("(?:")) {
      return closed(choice(ignoresCase));
    } else if (take("(?=") || take("(?!") || take("(?<=") || take("(?<!")) {
      return new Expression.Look(closed(choice(ignoresCase)));
    } else if (take("(?>")) {
      return new Expression.Atomic(closed(choice(ignoresCase)));
    } else if (take("(?<") || take("(?'")) {
      while (at < text.length() && text.charAt(at) != '>' && text.charAt(at) != '\'') {
        at++;
      }
      at++;
      return closed(choice(ignoresCase));
    } else if (text.startsWith("(?", at)) {
      int colon = text.indexOf(':', at);
      String flags = colon < 0 ? "" : text.substring(at + 2, colon);
      if (!flags.matches("[imx]*(-[imx]*)?") || flags.isEmpty()) {
        throw unexpected("a kind of group that is not known");
      }
      at = colon + 1;
      return closed(choice(cased(flags, ignoresCase)));
    } else if (text.startsWith("(*", at)) {
      throw unexpected("a call");
    }
    take("(");
    return closed(choice(ignoresCase));
  }

  private Expression closed(Expression body) {
    if (!take(")")) {
      throw unexpected("a group that does not end");
    }
    return body;
  }

  private void skipClass() {
    int start = at;
    at++;
    take("^");
    take("]");
    while (at < text.length() && text.charAt(at) != ']') {
      if (text.startsWith("[:", at) && text.indexOf(":]", at) > 0) {
        at = text.indexOf(":]", at) + 2;
      } else if (text.charAt(at) == '[') {
        if (++depth > DEEPEST) {
          throw unexpected("classes within one another");
        }
        skipClass();
        depth--;
      } else {
        at += text.charAt(at) == '\\' ? 2 : 1;
      }
    }
    if (at >= text.length()) {
      at = start;
      throw unexpected("a class that does not end");
    }
    at++;
  }

  private Expression escape(boolean ignoresCase) {
    int start = at;
    if (at + 1 >= text.length()) {
      throw unexpected("a \\ at its end");
    }
    char kind = text.charAt(at + 1);
    at += 2;
    if ("bBAzZG".indexOf(kind) >= 0) {
      return new Expression.Place();
    } else if (kind == 'R') {
      return new Expression.Atomic(
          new Expression.Choice(
              List.of(
                  new Expression.Sequence(
                      List.of(letter("\\r", ignoresCase), letter("\\n", ignoresCase))),
                  letter("[\\n\\x0b\\f\\r]", ignoresCase))));
    } else if ("XKkgyYNOQE".indexOf(kind) >= 0 || (kind >= '1' && kind <= '9')) {
      at = start;
      throw unexpected("\\" + kind);
    } else if (kind == 'p' || kind == 'P' || kind == 'x' || kind == 'u') {
      if (at < text.length() && text.charAt(at) == '{') {
        int end = text.indexOf('}', at);
        if (end < 0) {
          throw unexpected("a { that does not end");
        }
        at = end + 1;
      } else {
        int digits = kind == 'u' ? 4 : kind == 'x' ? 2 : 1;
        while (digits-- > 0
            && at < text.length()
            && (kind == 'p' || kind == 'P' || Character.digit(text.charAt(at), 16) >= 0)) {
          at++;
        }
      }
    } else if (Character.isSurrogate(kind)) {
      at++;
    }
    return letter(text.substring(start, Math.min(at, text.length())), ignoresCase);
  }

  private boolean take(String next) {
    boolean there = text.startsWith(next, at);
    at += there ? next.length() : 0;
    return there;
  }

  private ExpressionException unexpected(String what) {
    return new ExpressionException("it has " + what + " at letter " + (at + 1));
  }
}
