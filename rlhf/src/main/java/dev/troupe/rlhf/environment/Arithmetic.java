package dev.troupe.rlhf.environment;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * Works out an expression of decimal numbers: + − * / ^, per cent, brackets; * and / before + and
 * −, ^ before these and from the right. 16 digits. Its time and memory are bounded by the length of
 * the text, which is bounded.
 */
final class Arithmetic {
  private static final int LONGEST = 500;
  private static final int DEEPEST = 50;
  private static final int LARGEST_EXPONENT = 1000;
  private static final int MAGNITUDE = 40;
  private static final MathContext DIGITS = new MathContext(16, RoundingMode.HALF_EVEN);

  private final String text;
  private int at;
  private int depth;

  private Arithmetic(String text) {
    this.text = text;
  }

  /**
   * The value as a decimal number without an exponent.
   *
   * @throws ArithmeticException with what is wrong, for whoever wrote it
   */
  static String of(String expression) {
    if (expression.length() > LONGEST) {
      throw new ArithmeticException("the expression has more than " + LONGEST + " letters");
    }
    String plain =
        expression
            .replace('×', '*')
            .replace('·', '*')
            .replace('÷', '/')
            .replace('−', '-')
            .replace("**", "^")
            .replaceAll("(?<=\\d),(?=\\d{3}(\\D|$))", "")
            .replaceAll("\\s+", " ")
            .strip();
    Arithmetic reader = new Arithmetic(plain);
    BigDecimal value = reader.sum();
    if (reader.at < plain.length()) {
      throw reader.unexpected();
    }
    BigDecimal shown = value.round(DIGITS).stripTrailingZeros();
    return shown.signum() == 0 ? "0" : shown.toPlainString();
  }

  private BigDecimal sum() {
    BigDecimal value = product();
    while (true) {
      if (take('+')) {
        value = bounded(value.add(product(), DIGITS));
      } else if (take('-')) {
        value = bounded(value.subtract(product(), DIGITS));
      } else {
        return value;
      }
    }
  }

  private BigDecimal product() {
    BigDecimal value = signed();
    while (true) {
      if (take('*')) {
        value = bounded(value.multiply(signed(), DIGITS));
      } else if (take('/')) {
        BigDecimal by = signed();
        if (by.signum() == 0) {
          throw new ArithmeticException("division by zero");
        }
        value = bounded(value.divide(by, DIGITS));
      } else {
        return value;
      }
    }
  }

  private BigDecimal signed() {
    deeper();
    try {
      if (take('-')) {
        return signed().negate();
      }
      return take('+') ? signed() : power();
    } finally {
      depth--;
    }
  }

  private BigDecimal power() {
    BigDecimal base = percent();
    if (!take('^')) {
      return base;
    }
    BigDecimal exponent = signed();
    int whole;
    try {
      whole = exponent.intValueExact();
    } catch (ArithmeticException e) {
      throw new ArithmeticException("an exponent must be a whole number");
    }
    if (Math.abs(whole) > LARGEST_EXPONENT) {
      throw new ArithmeticException("an exponent must be at most " + LARGEST_EXPONENT);
    }
    if (base.signum() == 0 && whole < 0) {
      throw new ArithmeticException("division by zero");
    }
    return bounded(base.pow(whole, DIGITS));
  }

  private BigDecimal percent() {
    BigDecimal value = atom();
    return take('%') ? value.movePointLeft(2) : value;
  }

  private BigDecimal atom() {
    if (take('(')) {
      deeper();
      BigDecimal value = sum();
      depth--;
      if (!take(')')) {
        throw at < text.length()
            ? unexpected()
            : new ArithmeticException("a bracket is not closed");
      }
      return value;
    }
    blanks();
    int begin = at;
    while (at < text.length() && (digit(text.charAt(at)) || text.charAt(at) == '.')) {
      at++;
    }
    String number = text.substring(begin, at);
    if (!number.matches("\\d+(\\.\\d*)?|\\.\\d+")) {
      throw number.isEmpty() ? unexpected() : new ArithmeticException(number + " is no number");
    }
    return bounded(new BigDecimal(number).round(DIGITS));
  }

  private static boolean digit(char letter) {
    return letter >= '0' && letter <= '9';
  }

  private void deeper() {
    depth++;
    if (depth > DEEPEST) {
      throw new ArithmeticException("the expression is nested too deeply");
    }
  }

  private static BigDecimal bounded(BigDecimal value) {
    int magnitude = value.precision() - value.scale();
    if (value.signum() != 0 && magnitude > MAGNITUDE) {
      throw new ArithmeticException("a number is too large");
    }
    return value.signum() == 0 || magnitude < -MAGNITUDE ? BigDecimal.ZERO : value;
  }

  private boolean take(char sign) {
    blanks();
    if (at < text.length() && text.charAt(at) == sign) {
      at++;
      return true;
    }
    return false;
  }

  private void blanks() {
    while (at < text.length() && text.charAt(at) == ' ') {
      at++;
    }
  }

  private ArithmeticException unexpected() {
    return new ArithmeticException(
        at < text.length()
            ? "unexpected '" + text.substring(at, text.offsetByCodePoints(at, 1)) + "'"
            : "the expression ends too early");
  }
}
