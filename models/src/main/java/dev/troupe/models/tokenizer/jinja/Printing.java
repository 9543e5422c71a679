package dev.troupe.models.tokenizer.jinja;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Values as Python prints them: {@code str} and {@code repr}. */
final class Printing {
  private Printing() {}

  /** {@code str(value)}. */
  static Text text(Value value) {
    if (value instanceof Text text) {
      return text;
    }
    if (value instanceof Value.Undefined) {
      return Text.EMPTY;
    }
    Text.Builder out = new Text.Builder();
    represent(value, out);
    return out.build();
  }

  private static void represent(Value value, Text.Builder out) {
    if (value == Value.None.NONE) {
      out.append("None");
    } else if (value instanceof Value.Bool bool) {
      out.append(bool.value() ? "True" : "False");
    } else if (value instanceof Value.Int number) {
      out.append(number.value().toString());
    } else if (value instanceof Value.Real number) {
      out.append(real(number.value()));
    } else if (value instanceof Value.Undefined) {
      out.append("Undefined");
    } else if (value instanceof Text text) {
      quote(text, out);
    } else if (value instanceof Sequence sequence) {
      represent(sequence, out);
    } else if (value instanceof Dict dict) {
      String before = "{";
      for (Map.Entry<Value, Value> entry : dict.entries()) {
        out.append(before);
        represent(entry.getKey(), out);
        out.append(": ");
        represent(entry.getValue(), out);
        before = ", ";
      }
      out.append(dict.size() == 0 ? "{}" : "}");
    } else {
      throw JinjaException.unsupported("printing " + Operations.type(value));
    }
  }

  private static void represent(Sequence sequence, Text.Builder out) {
    List<Value> items = sequence.items();
    boolean list = sequence.kind() == Sequence.Kind.LIST;
    if (!list && sequence.kind() != Sequence.Kind.TUPLE) {
      throw JinjaException.unsupported("printing " + Operations.type(sequence));
    }
    out.append(list ? "[" : "(");
    for (int i = 0; i < items.size(); i++) {
      out.append(i == 0 ? "" : ", ");
      represent(items.get(i), out);
    }
    out.append(list ? "]" : items.size() == 1 ? ",)" : ")");
  }

  /** The shortest digits that give the number again, set as Python sets them. */
  static String real(double number) {
    if (Double.isNaN(number)) {
      return "nan";
    }
    if (Double.isInfinite(number)) {
      return number < 0 ? "-inf" : "inf";
    }
    String sign = Math.copySign(1, number) < 0 ? "-" : "";
    if (number == 0) {
      return sign + "0.0";
    }
    BigDecimal shortest = shortest(Math.abs(number)).stripTrailingZeros();
    String digits = shortest.unscaledValue().toString();
    int exponent = digits.length() - 1 - shortest.scale();
    if (exponent >= -4 && exponent < 16) {
      String plain = shortest.toPlainString();
      return sign + (plain.contains(".") ? plain : plain + ".0");
    }
    String fraction = digits.length() == 1 ? "" : "." + digits.substring(1);
    String power = (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
    return sign + digits.charAt(0) + fraction + "e" + (exponent < 0 ? "-" : "+") + power;
  }

  private static BigDecimal shortest(double number) {
    BigDecimal exact = new BigDecimal(number);
    for (int digits = 1; digits < 17; digits++) {
      BigDecimal rounded = exact.round(new MathContext(digits));
      if (rounded.doubleValue() == number) {
        return rounded;
      }
    }
    return exact.round(new MathContext(17));
  }

  private static void quote(Text text, Text.Builder out) {
    String letters = text.toString();
    String mark = letters.contains("'") && !letters.contains("\"") ? "\"" : "'";
    out.append(mark);
    for (int i = 0; i < text.length(); i++) {
      out.append(escaped(text.point(i), mark), text.origin(i));
    }
    out.append(mark);
  }

  private static String escaped(int point, String mark) {
    String letter = Character.toString(point);
    return switch (letter) {
      case "\\" -> "\\\\";
      case "\n" -> "\\n";
      case "\r" -> "\\r";
      case "\t" -> "\\t";
      default -> {
        if (letter.equals(mark)) {
          yield "\\" + letter;
        }
        if (printable(point)) {
          yield letter;
        }
        yield point < 0x100
            ? String.format(Locale.ROOT, "\\x%02x", point)
            : point < 0x10000
                ? String.format(Locale.ROOT, "\\u%04x", point)
                : String.format(Locale.ROOT, "\\U%08x", point);
      }
    };
  }

  private static boolean printable(int point) {
    return switch (Character.getType(point)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.PRIVATE_USE,
          Character.UNASSIGNED,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      case Character.SPACE_SEPARATOR -> point == ' ';
      default -> true;
    };
  }
}
