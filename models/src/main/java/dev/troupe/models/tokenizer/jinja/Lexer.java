package dev.troupe.models.tokenizer.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A template's source in pieces. Blanks are taken as {@code trim_blocks} and {@code lstrip_blocks}
 * say, which {@code transformers} sets: a block or comment takes the blanks before it when it
 * stands first in its line, and the line break after it.
 */
final class Lexer {
  private static final Pattern OPENING = Pattern.compile("\\{[{%#]");
  private static final Pattern RAW = Pattern.compile("\\s*raw\\s*(?:-%\\}\\s*|%\\})");
  private static final Pattern END_OF_RAW =
      Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)");
  private static final Pattern END_OF_COMMENT = Pattern.compile("\\+#\\}|-#\\}\\s*|#\\}\\n?");
  private static final Pattern END_OF_BLOCK = Pattern.compile("\\+%\\}|-%\\}\\s*|%\\}\\n?");
  private static final Pattern END_OF_VARIABLE = Pattern.compile("-\\}\\}\\s*|\\}\\}");
  private static final Pattern WHITE = Pattern.compile("\\s+");
  private static final Pattern REAL =
      Pattern.compile(
          "(?<!\\.)\\d[\\d_]*+(?:(?:\\.\\d[\\d_]*+)?[eE][+-]?\\d[\\d_]*+|\\.\\d[\\d_]*+)");
  private static final Pattern INTEGER =
      Pattern.compile("0[bB][01_]++|0[oO][0-7_]++|0[xX][0-9a-fA-F_]++|[1-9][\\d_]*+|0[0_]*+");
  private static final Pattern MISPLACED = Pattern.compile("__|_$|_[.eE]");
  private static final Pattern NAME =
      Pattern.compile("[\\p{L}\\p{Nl}_][\\w\\p{L}\\p{Nl}\\p{Mn}\\p{Mc}\\p{Nd}]*");
  private static final Pattern OPERATOR =
      Pattern.compile("//|\\*\\*|==|!=|>=|<=|[-+*/%~\\[\\](){}<>=.:|,;]");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private final Deque<String> open = new ArrayDeque<>();
  private int at;
  private int line = 1;
  private boolean lineBegins = true;

  private Lexer(String source) {
    String lines = source.replace("\r\n", "\n").replace('\r', '\n');
    this.source = lines.endsWith("\n") ? lines.substring(0, lines.length() - 1) : lines;
  }

  /**
   * The pieces, closed by one of kind END.
   *
   * @throws JinjaException when a tag is not closed or holds what is no Jinja
   */
  static List<Token> tokens(String source) {
    Lexer lexer = new Lexer(source);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (at < source.length()) {
      Matcher opening = OPENING.matcher(source);
      if (!opening.find(at)) {
        add(Token.Kind.DATA, source.substring(at));
        break;
      }
      char kind = opening.group().charAt(1);
      int inside = opening.end();
      char sign = inside < source.length() ? source.charAt(inside) : ' ';
      inside += sign == '-' || sign == '+' ? 1 : 0;
      data(source.substring(at, opening.start()), sign, kind != '{');
      line += lines(opening.start(), inside);
      at = inside;
      switch (kind) {
        case '#' -> comment();
        case '{' -> tag(Token.Kind.VARIABLE_BEGIN, Token.Kind.VARIABLE_END, END_OF_VARIABLE);
        default -> blockOrRaw();
      }
      lineBegins = source.charAt(at - 1) == '\n';
    }
    add(Token.Kind.END, "");
  }

  private int lines(int from, int to) {
    return (int) source.substring(from, to).chars().filter(c -> c == '\n').count();
  }

  private void add(Token.Kind kind, String text) {
    tokens.add(new Token(kind, text, line));
  }

  private void data(String text, char sign, boolean blanksBeforeGo) {
    String kept = text;
    if (sign == '-') {
      Text letters = Text.of(text);
      kept = StringMethods.strip(letters, Arguments.NONE, false, true).toString();
    } else if (sign != '+' && blanksBeforeGo) {
      int start = text.lastIndexOf('\n') + 1;
      boolean blank = WHITE.matcher(text.substring(start)).matches();
      if (blank && (start > 0 || lineBegins)) {
        kept = text.substring(0, start);
      }
    }
    if (!kept.isEmpty()) {
      add(Token.Kind.DATA, kept);
    }
    line += (int) text.chars().filter(c -> c == '\n').count();
  }

  private void moveTo(int end) {
    line += lines(at, end);
    at = end;
  }

  private void comment() {
    Matcher end = END_OF_COMMENT.matcher(source);
    if (!end.find(at)) {
      throw failure("a comment is not closed");
    }
    moveTo(end.end());
  }

  private void blockOrRaw() {
    Matcher raw = RAW.matcher(source).region(at, source.length());
    if (!raw.lookingAt()) {
      tag(Token.Kind.BLOCK_BEGIN, Token.Kind.BLOCK_END, END_OF_BLOCK);
      return;
    }
    moveTo(raw.end());
    lineBegins = source.charAt(at - 1) == '\n';
    Matcher end = END_OF_RAW.matcher(source);
    if (!end.find(at)) {
      throw failure("{% raw %} is not closed");
    }
    String sign = end.group(1);
    data(source.substring(at, end.start()), sign.isEmpty() ? ' ' : sign.charAt(0), true);
    line += lines(end.start(), end.end());
    at = end.end();
  }

  private JinjaException failure(String message) {
    return JinjaException.of(message).at(line);
  }

  private void string() {
    int end = at + 1;
    while (end < source.length() && source.charAt(end) != source.charAt(at)) {
      end += source.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= source.length()) {
      throw failure("a string is not closed");
    }
    try {
      add(Token.Kind.STRING, Escapes.resolve(source.substring(at + 1, end)));
    } catch (JinjaException e) {
      throw e.at(line);
    }
    moveTo(end + 1);
  }

  private boolean match(Pattern pattern, Token.Kind kind) {
    Matcher matcher =
        pattern.matcher(source).region(at, source.length()).useTransparentBounds(true);
    if (!matcher.lookingAt()) {
      return false;
    }
    add(kind, matcher.group());
    moveTo(matcher.end());
    return true;
  }

  private void tag(Token.Kind begin, Token.Kind end, Pattern closing) {
    add(begin, "");
    open.clear();
    while (!(open.isEmpty() && match(closing, end))) {
      Matcher white = WHITE.matcher(source).region(at, source.length());
      if (white.lookingAt()) {
        moveTo(white.end());
      } else if (at == source.length()) {
        throw failure("a tag is not closed");
      } else if (source.charAt(at) == '\'' || source.charAt(at) == '"') {
        string();
      } else if (match(OPERATOR, Token.Kind.OPERATOR)) {
        balance(tokens.get(tokens.size() - 1).text());
      } else if (match(REAL, Token.Kind.REAL) || match(INTEGER, Token.Kind.INTEGER)) {
        String digits = tokens.get(tokens.size() - 1).text();
        if (MISPLACED.matcher(digits).find()) {
          throw failure("'" + digits + "' is no number");
        }
      } else if (!match(NAME, Token.Kind.NAME)) {
        throw failure("'" + Character.toString(source.codePointAt(at)) + "' is no Jinja");
      }
    }
  }

  private void balance(String operator) {
    switch (operator) {
      case "(" -> open.push(")");
      case "[" -> open.push("]");
      case "{" -> open.push("}");
      case ")", "]", "}" -> {
        if (open.isEmpty() || !open.pop().equals(operator)) {
          throw failure("'" + operator + "' closes nothing");
        }
      }
      default -> {}
    }
    if (open.size() > Limits.NESTING) {
      throw failure("more than " + Limits.NESTING + " brackets stand in each other");
    }
  }
}
