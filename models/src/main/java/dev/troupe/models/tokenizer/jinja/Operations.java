package dev.troupe.models.tokenizer.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** Python's operators on values. */
final class Operations {
  private Operations() {}

  static Value.Bool bool(boolean value) {
    return new Value.Bool(value);
  }

  static boolean truth(Value value) {
    if (value instanceof Value.Bool bool) {
      return bool.value();
    }
    if (value instanceof Value.Int number) {
      return number.value().signum() != 0;
    }
    if (value instanceof Value.Real number) {
      return number.value() != 0;
    }
    if (value instanceof Text text) {
      return !text.isEmpty();
    }
    if (value instanceof Sequence sequence) {
      return !sequence.items().isEmpty();
    }
    if (value instanceof Dict dict) {
      return dict.size() > 0;
    }
    return !(value instanceof Value.None || value instanceof Value.Undefined);
  }

  /** What a dictionary tells keys apart by. */
  static Object key(Value value) {
    if (value instanceof Text text) {
      return text.toString();
    }
    if (value instanceof Value.Real real) {
      double exact = real.value();
      return exact == Math.rint(exact) && !Double.isInfinite(exact)
          ? new BigDecimal(exact).toBigInteger()
          : (Object) exact;
    }
    BigInteger number = integer(value);
    if (number != null) {
      return number;
    }
    if (value instanceof Sequence sequence && sequence.kind() == Sequence.Kind.TUPLE) {
      return sequence.items().stream().map(Operations::key).toList();
    }
    if (value == Value.None.NONE) {
      return value;
    }
    if (value instanceof Value.Undefined) {
      return Value.Undefined.class;
    }
    throw JinjaException.of(type(value) + " cannot be a key");
  }

  /** An integer or a boolean as a number. */
  static @Nullable BigInteger integer(Value value) {
    if (value instanceof Value.Int number) {
      return number.value();
    }
    if (value instanceof Value.Bool bool) {
      return bool.value() ? BigInteger.ONE : BigInteger.ZERO;
    }
    return null;
  }

  static boolean isNumber(Value value) {
    return value instanceof Value.Int || value instanceof Value.Real || value instanceof Value.Bool;
  }

  private static double real(Value value) {
    return value instanceof Value.Real number
        ? number.value()
        : Objects.requireNonNull(integer(value)).doubleValue();
  }

  static boolean equal(Value a, Value b) {
    if (isNumber(a) && isNumber(b)) {
      boolean unordered = Double.isNaN(real(a)) || Double.isNaN(real(b));
      return !unordered && compareNumbers(a, b) == 0;
    }
    if (a instanceof Text one && b instanceof Text other) {
      return one.same(other);
    }
    if (a instanceof Sequence one && b instanceof Sequence other) {
      return one.kind() == other.kind() && equalItems(one.items(), other.items());
    }
    if (a instanceof Dict one && b instanceof Dict other) {
      return equal(one, other);
    }
    if (a instanceof Value.Undefined && b instanceof Value.Undefined) {
      return true;
    }
    return a == b;
  }

  private static boolean equal(Dict one, Dict other) {
    if (one.size() != other.size()) {
      return false;
    }
    for (Map.Entry<Value, Value> entry : one.entries()) {
      Value value = other.get(entry.getKey());
      if (value == null || !equal(entry.getValue(), value)) {
        return false;
      }
    }
    return true;
  }

  private static boolean equalItems(List<Value> a, List<Value> b) {
    if (a.size() != b.size()) {
      return false;
    }
    for (int i = 0; i < a.size(); i++) {
      if (!equal(a.get(i), b.get(i))) {
        return false;
      }
    }
    return true;
  }

  private static int compareNumbers(Value a, Value b) {
    BigInteger one = integer(a);
    BigInteger other = integer(b);
    if (one != null && other != null) {
      return one.compareTo(other);
    }
    double x = real(a);
    double y = real(b);
    if (Double.isInfinite(x) || Double.isInfinite(y)) {
      return Double.compare(x, y);
    }
    return exact(a).compareTo(exact(b));
  }

  private static BigDecimal exact(Value value) {
    BigInteger number = integer(value);
    return number == null ? new BigDecimal(real(value)) : new BigDecimal(number);
  }

  /** Python's order; an error for types that have none between them. */
  static int compare(Value a, Value b, String operator) {
    if (isNumber(a) && isNumber(b)) {
      return compareNumbers(a, b);
    }
    if (a instanceof Text one && b instanceof Text other) {
      return one.compare(other);
    }
    if (a instanceof Sequence one
        && b instanceof Sequence other
        && one.kind() == other.kind()
        && (one.kind() == Sequence.Kind.LIST || one.kind() == Sequence.Kind.TUPLE)) {
      int shared = Math.min(one.items().size(), other.items().size());
      for (int i = 0; i < shared; i++) {
        if (!equal(one.items().get(i), other.items().get(i))) {
          return compare(one.items().get(i), other.items().get(i), operator);
        }
      }
      return Integer.compare(one.items().size(), other.items().size());
    }
    throw mismatch(operator, a, b);
  }

  static boolean contains(Value container, Value item) {
    if (container instanceof Text text) {
      if (item instanceof Text part) {
        return text.find(part, 0, text.length()) >= 0;
      }
      throw mismatch("in", item, container);
    }
    if (container instanceof Dict dict) {
      return dict.get(item) != null;
    }
    for (Value other : iterate(container)) {
      if (equal(item, other)) {
        return true;
      }
    }
    return false;
  }

  static List<Value> iterate(Value value) {
    if (value instanceof Sequence sequence) {
      return sequence.items();
    }
    if (value instanceof Dict dict) {
      return dict.keys();
    }
    if (value instanceof Text text) {
      List<Value> letters = new ArrayList<>();
      for (int i = 0; i < text.length(); i++) {
        letters.add(text.at(i));
      }
      return letters;
    }
    if (value instanceof Generator generator) {
      return generator.take();
    }
    if (value instanceof Value.Undefined) {
      return List.of();
    }
    throw JinjaException.of(type(value) + " cannot be gone through");
  }

  static OptionalInt length(Value value) {
    if (value instanceof Text text) {
      return OptionalInt.of(text.length());
    }
    if (value instanceof Sequence sequence) {
      return OptionalInt.of(sequence.items().size());
    }
    if (value instanceof Dict dict) {
      return OptionalInt.of(dict.size());
    }
    return value instanceof Value.Undefined ? OptionalInt.of(0) : OptionalInt.empty();
  }

  /** Python's name of the type, with an article, for errors. */
  static String type(Value value) {
    if (value instanceof Value.Undefined undefined) {
      throw undefined.error();
    }
    if (value == Value.None.NONE) {
      return "None";
    }
    if (value instanceof Value.Bool) {
      return "a bool";
    }
    if (value instanceof Value.Int) {
      return "an int";
    }
    if (value instanceof Value.Real) {
      return "a float";
    }
    if (value instanceof Text) {
      return "a str";
    }
    if (value instanceof Sequence sequence) {
      return "a " + sequence.kind().name().toLowerCase(Locale.ROOT);
    }
    return "a " + value.getClass().getSimpleName().toLowerCase(Locale.ROOT);
  }

  static JinjaException mismatch(String operator, Value a, Value b) {
    return JinjaException.of(
        "'" + operator + "' does not work between " + type(a) + " and " + type(b));
  }

  static Value arithmetic(String operator, Value a, Value b) {
    if (isNumber(a) && isNumber(b)) {
      BigInteger one = integer(a);
      BigInteger other = integer(b);
      return one != null && other != null
          ? integers(operator, one, other)
          : reals(operator, real(a), real(b));
    }
    if (operator.equals("%") && a instanceof Text) {
      throw JinjaException.unsupported("'%' on a text");
    }
    if (operator.equals("+")) {
      if (a instanceof Text one && b instanceof Text other) {
        return one.plus(other);
      }
      if (a instanceof Sequence one && b instanceof Sequence other && one.kind() == other.kind()) {
        List<Value> both = new ArrayList<>(one.items());
        both.addAll(other.items());
        return listed(both, one.kind(), a, b);
      }
    }
    if (operator.equals("*")) {
      return integer(a) == null ? repeated(a, b) : repeated(b, a);
    }
    throw mismatch(operator, a, b);
  }

  private static Value listed(List<Value> items, Sequence.Kind kind, Value a, Value b) {
    if (items.size() > Limits.ITEMS) {
      throw JinjaException.of("a list becomes longer than " + Limits.ITEMS + " items");
    }
    if (kind == Sequence.Kind.LIST || kind == Sequence.Kind.TUPLE) {
      return new Sequence(items, kind);
    }
    throw mismatch("+", a, b);
  }

  private static Value repeated(Value what, Value times) {
    BigInteger number = integer(times);
    OptionalInt length = length(what);
    if (number == null || length.isEmpty() || what instanceof Dict) {
      throw mismatch("*", what, times);
    }
    int count =
        number.signum() < 0 ? 0 : number.min(BigInteger.valueOf(Limits.TEXT + 1L)).intValue();
    if (what instanceof Text text) {
      Text.Builder all = new Text.Builder();
      for (int i = 0; i < count && !text.isEmpty(); i++) {
        all.append(text);
      }
      return all.build();
    }
    if (!(what instanceof Sequence sequence)) {
      throw mismatch("*", what, times);
    }
    if (count * (long) length.getAsInt() > Limits.ITEMS) {
      throw JinjaException.of("a list becomes longer than " + Limits.ITEMS + " items");
    }
    List<Value> all = new ArrayList<>();
    Collections.nCopies(length.getAsInt() == 0 ? 0 : count, sequence.items()).forEach(all::addAll);
    return listed(all, sequence.kind(), what, times);
  }

  private static Value integers(String operator, BigInteger a, BigInteger b) {
    return switch (operator) {
      case "+" -> bounded(a.add(b));
      case "-" -> bounded(a.subtract(b));
      case "*" -> bounded(a.multiply(b));
      case "**" -> power(a, b);
      default -> quotients(operator, a, b);
    };
  }

  private static Value quotients(String operator, BigInteger a, BigInteger b) {
    if (b.signum() == 0) {
      throw JinjaException.of("division by zero");
    }
    BigInteger rest = a.mod(b.abs());
    // Python's remainder has the sign of the divisor, and its quotient is rounded down.
    BigInteger modulo = b.signum() < 0 && rest.signum() != 0 ? rest.add(b) : rest;
    return switch (operator) {
      case "%" -> new Value.Int(modulo);
      case "//" -> new Value.Int(a.subtract(modulo).divide(b));
      default ->
          new Value.Real(
              new BigDecimal(a).divide(new BigDecimal(b), new MathContext(60)).doubleValue());
    };
  }

  private static Value bounded(BigInteger number) {
    if (number.bitLength() > Limits.BITS) {
      throw JinjaException.of("a number becomes longer than " + Limits.BITS + " bits");
    }
    return new Value.Int(number);
  }

  private static Value power(BigInteger a, BigInteger b) {
    if (b.signum() < 0) {
      return reals("**", a.doubleValue(), b.doubleValue());
    }
    if (b.bitLength() > 20 || a.bitLength() * b.longValue() > Limits.BITS) {
      throw JinjaException.of("a number becomes longer than " + Limits.BITS + " bits");
    }
    return bounded(a.pow(b.intValue()));
  }

  private static Value reals(String operator, double a, double b) {
    boolean divides = operator.equals("/") || operator.equals("//") || operator.equals("%");
    if ((b == 0 && divides) || (operator.equals("**") && a == 0 && b < 0)) {
      throw JinjaException.of("division by zero");
    }
    if (operator.equals("**") && a < 0 && b != Math.rint(b)) {
      throw JinjaException.unsupported("a complex number");
    }
    return new Value.Real(
        switch (operator) {
          case "+" -> a + b;
          case "-" -> a - b;
          case "*" -> a * b;
          case "/" -> a / b;
          case "%" -> modulo(a, b);
          case "//" -> floorQuotient(a, b);
          case "**" -> Math.pow(a, b);
          default -> throw new IllegalArgumentException(operator);
        });
  }

  private static double modulo(double a, double b) {
    double rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest == 0 ? Math.copySign(0.0, b) : rest;
  }

  private static double floorQuotient(double a, double b) {
    double quotient = (a - modulo(a, b)) / b;
    if (quotient == 0) {
      return Math.copySign(0.0, a / b);
    }
    double floor = Math.floor(quotient);
    return quotient - floor > 0.5 ? floor + 1 : floor;
  }

  static Value negative(Value value) {
    BigInteger number = integer(value);
    if (number != null) {
      return new Value.Int(number.negate());
    }
    if (value instanceof Value.Real real) {
      return new Value.Real(-real.value());
    }
    throw JinjaException.of("'-' does not work on " + type(value));
  }

  static Value positive(Value value) {
    if (!isNumber(value)) {
      throw JinjaException.of("'+' does not work on " + type(value));
    }
    return value instanceof Value.Real
        ? value
        : new Value.Int(Objects.requireNonNull(integer(value)));
  }

  /** {@code value[key]}, by jinja2's rule: the item, else for a name the attribute. */
  static Value item(Value value, Value key) {
    if (value instanceof Value.Undefined undefined) {
      throw undefined.error();
    }
    Value item = itemOnly(value, key);
    if (item == null && key instanceof Text name) {
      item = Attributes.of(value, name.toString());
    }
    return item == null ? new Value.Undefined(Printing.text(key).toString()) : item;
  }

  /** {@code value.name}, by jinja2's rule: the attribute, else the item. */
  static Value attribute(Value value, String name) {
    if (value instanceof Value.Undefined undefined) {
      throw undefined.error();
    }
    Value attribute = Attributes.of(value, name);
    if (attribute == null) {
      attribute = itemOnly(value, Text.of(name));
    }
    return attribute == null ? new Value.Undefined(name) : attribute;
  }

  private static @Nullable Value itemOnly(Value value, Value key) {
    if (value instanceof Dict dict) {
      boolean list = key instanceof Sequence sequence && sequence.kind() == Sequence.Kind.LIST;
      return list || key instanceof Dict ? null : dict.get(key);
    }
    BigInteger number = integer(key);
    OptionalInt length = length(value);
    boolean indexed =
        value instanceof Text
            || (value instanceof Sequence sequence && sequence.kind() != Sequence.Kind.VIEW);
    if (number == null || length.isEmpty() || !indexed || number.bitLength() > 31) {
      return null;
    }
    int index = number.intValue() < 0 ? number.intValue() + length.getAsInt() : number.intValue();
    if (index < 0 || index >= length.getAsInt()) {
      return null;
    }
    return value instanceof Text text ? text.at(index) : iterate(value).get(index);
  }

  /** {@code value[begin:end:step]}; null stands for what is left out. */
  static Value slice(
      Value value, @Nullable Integer begin, @Nullable Integer end, @Nullable Integer stepOrNull) {
    if (value instanceof Value.Undefined undefined) {
      throw undefined.error();
    }
    boolean sliced =
        value instanceof Text
            || (value instanceof Sequence sequence && sequence.kind() != Sequence.Kind.VIEW);
    if (!sliced) {
      throw JinjaException.of(type(value) + " has no slices");
    }
    int length = length(value).orElseThrow();
    int step = stepOrNull == null ? 1 : stepOrNull;
    if (step == 0) {
      throw JinjaException.of("the step of a slice is 0");
    }
    int low = step < 0 ? -1 : 0;
    int high = step < 0 ? length - 1 : length;
    int from = begin == null ? (step < 0 ? high : low) : clamped(begin, length, low, high);
    int to = end == null ? (step < 0 ? low : high) : clamped(end, length, low, high);
    if (value instanceof Text text && step == 1) {
      return text.slice(from, to);
    }
    List<Value> items = iterate(value);
    List<Value> picked = new ArrayList<>();
    for (long i = from; step > 0 ? i < to : i > to; i += step) {
      picked.add(items.get((int) i));
    }
    if (value instanceof Text) {
      Text.Builder letters = new Text.Builder();
      picked.forEach(letter -> letters.append((Text) letter));
      return letters.build();
    }
    return new Sequence(picked, ((Sequence) value).kind());
  }

  private static int clamped(int index, int length, int low, int high) {
    long place = index < 0 ? index + (long) length : index;
    return (int) Math.max(low, Math.min(high, place));
  }

  /** A number that fits an int. */
  static int toInt(Value value, String what) {
    BigInteger number = integer(value);
    if (number == null) {
      throw JinjaException.of(what + " is " + type(value) + ", not an int");
    }
    BigInteger most = BigInteger.valueOf(Integer.MAX_VALUE);
    return number.min(most).max(most.negate()).intValue();
  }

  static Text toText(Value value, String what) {
    if (value instanceof Text text) {
      return text;
    }
    throw JinjaException.of(what + " is " + type(value) + ", not a str");
  }
}
