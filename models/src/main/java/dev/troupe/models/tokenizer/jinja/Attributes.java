package dev.troupe.models.tokenizer.jinja;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The attributes that Python's types have, almost all of them methods. */
final class Attributes {
  private static final Set<String> OF_NUMBERS =
      Set.of(
          "as_integer_ratio",
          "bit_count",
          "bit_length",
          "conjugate",
          "denominator",
          "from_bytes",
          "fromhex",
          "hex",
          "imag",
          "is_integer",
          "numerator",
          "real",
          "to_bytes");
  private static final Set<String> OF_LISTS_TOO =
      Set.of("append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort");
  private static final Set<String> OF_DICTS_TOO =
      Set.of("clear", "fromkeys", "pop", "popitem", "setdefault", "update");

  private Attributes() {}

  /** The attribute, or null when the type has none of that name. */
  static @Nullable Value of(Value value, String name) {
    if (value instanceof Text text) {
      return StringMethods.of(text, name);
    }
    if (value instanceof Dict dict) {
      return ofDict(dict, name);
    }
    if (value instanceof Sequence sequence) {
      return ofSequence(sequence, name);
    }
    if (value instanceof Namespace namespace) {
      return namespace.attributes().get(Text.of(name));
    }
    if (value instanceof Loop loop) {
      return loop.attribute(name);
    }
    if ((Operations.isNumber(value) && OF_NUMBERS.contains(name))
        || value instanceof Function
        || value instanceof Generator) {
      throw JinjaException.unsupported("the attribute '" + name + "' of " + Operations.type(value));
    }
    return null;
  }

  private static @Nullable Value ofDict(Dict dict, String name) {
    return switch (name) {
      case "keys" -> view(name, dict.keys());
      case "values" -> view(name, dict.values());
      case "items" -> view(name, dict.items());
      case "copy" ->
          new Function(
              name,
              arguments -> {
                arguments.bind(name, 0);
                Dict copy = new Dict(dict.message());
                copy.putAll(dict);
                return copy;
              });
      case "get" ->
          new Function(
              name,
              arguments -> {
                Arguments.Bound bound = positional(arguments, name, 1, "key", "default");
                Value found = dict.get(bound.get("key"));
                return found == null ? bound.get("default", Value.None.NONE) : found;
              });
      default -> OF_DICTS_TOO.contains(name) ? Function.unsupported("dict." + name + "()") : null;
    };
  }

  private static Value view(String name, List<Value> items) {
    return new Function(
        name,
        arguments -> {
          arguments.bind(name, 0);
          return new Sequence(items, Sequence.Kind.VIEW);
        });
  }

  private static @Nullable Value ofSequence(Sequence sequence, String name) {
    if (sequence.kind() == Sequence.Kind.VIEW) {
      throw JinjaException.unsupported("the attribute '" + name + "' of a view");
    }
    return switch (name) {
      case "count" ->
          new Function(
              name,
              arguments -> {
                Value item = positional(arguments, name, 1, "value").get("value");
                return Value.Int.of(
                    sequence.items().stream()
                        .filter(other -> Operations.equal(item, other))
                        .count());
              });
      case "index" ->
          new Function(
              name,
              arguments -> {
                Value item = positional(arguments, name, 1, "value").get("value");
                for (int i = 0; i < sequence.items().size(); i++) {
                  if (Operations.equal(item, sequence.items().get(i))) {
                    return Value.Int.of(i);
                  }
                }
                throw JinjaException.of("index(): the list has no such item");
              });
      default -> {
        boolean other =
            (OF_LISTS_TOO.contains(name) && sequence.kind() == Sequence.Kind.LIST)
                || (Set.of("start", "stop", "step").contains(name)
                    && sequence.kind() == Sequence.Kind.RANGE);
        yield other ? Function.unsupported("list." + name + "()") : null;
      }
    };
  }

  /** For what Python takes by position only. */
  static Arguments.Bound positional(
      Arguments arguments, String function, int required, String... parameters) {
    return new Arguments(arguments.positional(), requireNone(function, arguments.named()))
        .bind(function, required, parameters);
  }

  private static Map<String, Value> requireNone(String function, Map<String, Value> named) {
    if (!named.isEmpty()) {
      throw JinjaException.of(function + "() takes no arguments by name");
    }
    return named;
  }
}
