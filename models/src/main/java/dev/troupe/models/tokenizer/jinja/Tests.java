package dev.troupe.models.tokenizer.jinja;

import java.math.BigInteger;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What may follow {@code is}. */
final class Tests {
  private static final Map<String, String> COMPARING =
      Map.ofEntries(
          Map.entry("eq", "=="),
          Map.entry("equalto", "=="),
          Map.entry("==", "=="),
          Map.entry("ne", "!="),
          Map.entry("!=", "!="),
          Map.entry("lt", "<"),
          Map.entry("lessthan", "<"),
          Map.entry("<", "<"),
          Map.entry("le", "<="),
          Map.entry("<=", "<="),
          Map.entry("gt", ">"),
          Map.entry("greaterthan", ">"),
          Map.entry(">", ">"),
          Map.entry("ge", ">="),
          Map.entry(">=", ">="),
          Map.entry("in", "in"));
  private static final Set<String> OTHERS =
      Set.of(
          "boolean",
          "callable",
          "defined",
          "divisibleby",
          "even",
          "false",
          "float",
          "integer",
          "iterable",
          "lower",
          "mapping",
          "none",
          "number",
          "odd",
          "sameas",
          "sequence",
          "string",
          "true",
          "undefined",
          "upper");

  private Tests() {}

  static boolean known(String name) {
    return COMPARING.containsKey(name) || OTHERS.contains(name);
  }

  /** Whether the value passes the test. */
  static boolean passes(String name, Value value, Arguments arguments) {
    String operator = COMPARING.get(name);
    if (operator != null) {
      return Expressions.compare(operator, value, one(arguments, name));
    }
    if (!known(name)) {
      throw JinjaException.unsupported("the test '" + name + "'");
    }
    if (name.equals("divisibleby")) {
      return remainder(value, one(arguments, name)).signum() == 0;
    }
    if (name.equals("sameas")) {
      return same(value, one(arguments, name));
    }
    arguments.bind(name, 0);
    return switch (name) {
      case "boolean" -> value instanceof Value.Bool;
      case "callable" -> value instanceof Function || value instanceof Value.Undefined;
      case "defined" -> !(value instanceof Value.Undefined);
      case "undefined" -> value instanceof Value.Undefined;
      case "even" -> remainder(value, Value.Int.of(2)).signum() == 0;
      case "odd" -> remainder(value, Value.Int.of(2)).signum() != 0;
      case "true" -> value instanceof Value.Bool bool && bool.value();
      case "false" -> value instanceof Value.Bool bool && !bool.value();
      case "float" -> value instanceof Value.Real;
      case "integer" -> value instanceof Value.Int;
      case "number" -> Operations.isNumber(value);
      case "iterable" -> iterable(value);
      case "mapping" -> value instanceof Dict;
      case "none" -> value == Value.None.NONE;
      case "string" -> value instanceof Text;
      case "sequence" ->
          value instanceof Text
              || value instanceof Dict
              || value instanceof Value.Undefined
              || (value instanceof Sequence sequence && sequence.kind() != Sequence.Kind.VIEW);
      default -> Operations.truth(cased(Printing.text(value), name));
    };
  }

  private static Value one(Arguments arguments, String name) {
    return arguments.bind(name, 1, "other").get("other");
  }

  private static boolean iterable(Value value) {
    return Operations.length(value).isPresent()
        || value instanceof Generator
        || value instanceof Loop;
  }

  private static BigInteger remainder(Value value, Value divisor) {
    BigInteger rest = Operations.integer(Operations.arithmetic("%", value, divisor));
    if (rest == null) {
      throw JinjaException.unsupported("the remainder of a float in a test");
    }
    return rest;
  }

  private static boolean same(Value value, Value other) {
    boolean single =
        value == Value.None.NONE
            || other == Value.None.NONE
            || value instanceof Value.Bool
            || other instanceof Value.Bool;
    if (!single) {
      throw JinjaException.unsupported("'is sameas' for other values than true, false and none");
    }
    return value.equals(other);
  }

  private static Value cased(Text text, String name) {
    @Nullable Function method = StringMethods.of(text, "is" + name);
    if (method == null) {
      throw new IllegalArgumentException(name);
    }
    return method.body().call(Arguments.NONE);
  }
}
