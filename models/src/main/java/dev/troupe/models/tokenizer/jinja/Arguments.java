package dev.troupe.models.tokenizer.jinja;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What stands between the parentheses of a call. */
record Arguments(List<Value> positional, Map<String, Value> named) {
  static final Arguments NONE = new Arguments(List.of(), Map.of());

  static Arguments of(Value... positional) {
    return new Arguments(List.of(positional), Map.of());
  }

  /** Without the first so many. */
  Arguments after(int count) {
    int from = Math.min(count, positional.size());
    return new Arguments(positional.subList(from, positional.size()), named);
  }

  /**
   * Given parameters their arguments, as Python does.
   *
   * @param required how many of the first must be there
   */
  Bound bind(String function, int required, String... parameters) {
    if (positional.size() > parameters.length) {
      throw JinjaException.of(
          function + " takes " + parameters.length + " arguments, not " + positional.size());
    }
    Map<String, Value> bound = new HashMap<>();
    for (int i = 0; i < positional.size(); i++) {
      bound.put(parameters[i], positional.get(i));
    }
    named.forEach(
        (name, value) -> {
          if (!Arrays.asList(parameters).contains(name) || bound.put(name, value) != null) {
            throw JinjaException.of(function + " cannot take the argument '" + name + "'");
          }
        });
    for (int i = 0; i < required; i++) {
      if (!bound.containsKey(parameters[i])) {
        throw JinjaException.of(function + " lacks the argument '" + parameters[i] + "'");
      }
    }
    return new Bound(bound);
  }

  /** Arguments by the names of parameters. */
  record Bound(Map<String, Value> values) {
    boolean has(String name) {
      return values.containsKey(name);
    }

    Value get(String name) {
      Value value = values.get(name);
      if (value == null) {
        throw new IllegalStateException(name);
      }
      return value;
    }

    Value get(String name, Value otherwise) {
      @Nullable Value value = values.get(name);
      return value == null ? otherwise : value;
    }

    /** Absent and None alike. */
    boolean lacks(String name) {
      return get(name, Value.None.NONE) == Value.None.NONE;
    }
  }
}
