package dev.troupe.rlhf.reward.math;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** LaTeX cut into what the reader reads. */
final class LatexTokens {
  /** What a token is. */
  enum Kind {
    NUMBER,
    /** One letter. */
    LETTER,
    /** A command's name, without the backslash. */
    COMMAND,
    /** Any other character. */
    SIGN,
    /** What stands in \text{…}. */
    TEXT
  }

  record Token(Kind kind, String text) {
    boolean is(String sign) {
      return kind == Kind.SIGN && text.equals(sign);
    }

    boolean isCommand(String name) {
      return kind == Kind.COMMAND && text.equals(name);
    }
  }

  private static final Set<String> SPACES =
      Set.of(
          "left",
          "right",
          "big",
          "Big",
          "bigl",
          "bigr",
          "Bigl",
          "Bigr",
          "displaystyle",
          "quad",
          "qquad",
          "limits",
          "$",
          "!",
          ",",
          ";",
          ":",
          " ",
          "dots",
          "ldots");
  private static final Set<String> TEXTS =
      Set.of("text", "mathrm", "mbox", "textbf", "textrm", "textit", "mathbf", "operatorname");
  private static final Map<Character, String> WRITTEN =
      Map.ofEntries(
          Map.entry('−', "-"),
          Map.entry('–', "-"),
          Map.entry('×', "\\times "),
          Map.entry('·', "\\cdot "),
          Map.entry('÷', "\\div "),
          Map.entry('π', "\\pi "),
          Map.entry('∞', "\\infty "),
          Map.entry('√', "\\sqrt "),
          Map.entry('≤', "\\le "),
          Map.entry('≥', "\\ge "),
          Map.entry('≠', "\\ne "),
          Map.entry('±', "\\pm "),
          Map.entry('∪', "\\cup "),
          Map.entry('°', "^\\circ "),
          Map.entry('²', "^2"),
          Map.entry('³', "^3"));

  private final String latex;
  private final List<Token> tokens = new ArrayList<>();
  private int position;
  private int depth;

  private LatexTokens(String latex) {
    this.latex = latex;
  }

  static List<Token> of(String latex) {
    StringBuilder plain = new StringBuilder();
    for (int i = 0; i < latex.length(); i++) {
      char c = latex.charAt(i);
      plain.append(WRITTEN.getOrDefault(c, String.valueOf(c)));
    }
    LatexTokens tokens = new LatexTokens(plain.toString());
    while (tokens.position < tokens.latex.length()) {
      tokens.next();
    }
    return tokens.tokens;
  }

  private void next() {
    char c = latex.charAt(position);
    if (Character.isWhitespace(c) || c == '~' || c == '$') {
      position++;
    } else if (isDigit(position) || (c == '.' && isDigit(position + 1))) {
      number();
    } else if (c == '\\') {
      command();
    } else if (Character.isLetter(c)) {
      add(Kind.LETTER, String.valueOf(c));
      position++;
    } else {
      sign(c);
    }
  }

  private void sign(char c) {
    depth += c == '(' || c == '[' ? 1 : c == ')' || c == ']' ? -1 : 0;
    add(Kind.SIGN, String.valueOf(c));
    position++;
  }

  private void number() {
    StringBuilder digits = new StringBuilder();
    digits(digits);
    // Thousands: 1,000 outside brackets, where a comma would part a list, and 1{,}000 anywhere.
    int lead = digits.length();
    while (lead > 0 && lead <= 3) {
      int comma = latex.startsWith("{,}", position) ? 3 : depth == 0 && at(position, ',') ? 1 : 0;
      if (comma == 0 || !threeDigits(position + comma)) {
        break;
      }
      position += comma;
      digits(digits);
    }
    if (at(position, '.') && isDigit(position + 1)) {
      digits.append('.');
      position++;
      digits(digits);
    }
    add(Kind.NUMBER, digits.toString());
  }

  private void digits(StringBuilder digits) {
    while (isDigit(position)) {
      digits.append(latex.charAt(position++));
    }
  }

  private boolean threeDigits(int from) {
    return isDigit(from) && isDigit(from + 1) && isDigit(from + 2) && !isDigit(from + 3);
  }

  private boolean isDigit(int index) {
    return index < latex.length() && latex.charAt(index) >= '0' && latex.charAt(index) <= '9';
  }

  private boolean at(int index, char c) {
    return index < latex.length() && latex.charAt(index) == c;
  }

  private void command() {
    int end = position + 1;
    while (end < latex.length() && isLatinLetter(latex.charAt(end))) {
      end++;
    }
    boolean word = end > position + 1;
    end = word ? end : Math.min(latex.length(), position + 2);
    String name = latex.substring(position + 1, end);
    position = end;
    if (SPACES.contains(name)) {
      return;
    }
    if (name.equals("{") || name.equals("}")) {
      depth += name.equals("{") ? 1 : -1;
    }
    if (TEXTS.contains(name) && at(position, '{')) {
      int close = Braces.close(latex, position);
      if (close > 0) {
        add(Kind.TEXT, latex.substring(position + 1, close).strip());
        position = close + 1;
        return;
      }
    }
    add(Kind.COMMAND, name.matches("[dtc]frac") ? "frac" : name);
  }

  private static boolean isLatinLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }

  private void add(Kind kind, String text) {
    tokens.add(new Token(kind, text));
  }
}
