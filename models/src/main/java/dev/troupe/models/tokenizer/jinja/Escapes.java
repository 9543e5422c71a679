package dev.troupe.models.tokenizer.jinja;

/** The backslashes of a string literal, as Python's {@code unicode-escape} resolves them. */
final class Escapes {
  private Escapes() {}

  static String resolve(String literal) {
    StringBuilder text = new StringBuilder();
    int at = 0;
    while (at < literal.length()) {
      char c = literal.charAt(at++);
      if (c != '\\' || at == literal.length()) {
        text.append(c);
        continue;
      }
      char escape = literal.charAt(at++);
      switch (escape) {
        case '\n' -> {}
        case '\\', '\'', '"' -> text.append(escape);
        case 'a' -> text.append('\u0007');
        case 'b' -> text.append('\b');
        case 'f' -> text.append('\f');
        case 'n' -> text.append('\n');
        case 'r' -> text.append('\r');
        case 't' -> text.append('\t');
        case 'v' -> text.append('\u000b');
        case 'x' -> at = hexadecimal(literal, at, 2, text);
        case 'u' -> at = hexadecimal(literal, at, 4, text);
        case 'U' -> at = hexadecimal(literal, at, 8, text);
        case 'N' -> throw JinjaException.unsupported("\\N in a string");
        case '0', '1', '2', '3', '4', '5', '6', '7' -> at = octal(literal, at - 1, text);
        default -> text.append('\\').append(escape);
      }
    }
    return text.toString();
  }

  private static int hexadecimal(String literal, int at, int digits, StringBuilder text) {
    String number = literal.substring(at, Math.min(literal.length(), at + digits));
    if (!number.matches("[0-9a-fA-F]{" + digits + "}")) {
      throw JinjaException.of("a backslash lacks its " + digits + " hexadecimal digits");
    }
    long point = Long.parseLong(number, 16);
    if (point > Character.MAX_CODE_POINT || Character.getType((int) point) == Character.SURROGATE) {
      throw JinjaException.of("'" + number + "' is no letter of Unicode");
    }
    text.appendCodePoint((int) point);
    return at + digits;
  }

  private static int octal(String literal, int at, StringBuilder text) {
    int end = at;
    while (end < literal.length()
        && end < at + 3
        && literal.charAt(end) >= '0'
        && literal.charAt(end) <= '7') {
      end++;
    }
    text.appendCodePoint(Integer.parseInt(literal.substring(at, end), 8));
    return end;
  }
}
