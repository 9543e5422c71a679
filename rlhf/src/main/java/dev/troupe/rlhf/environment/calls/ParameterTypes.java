package dev.troupe.rlhf.environment.calls;

import dev.troupe.rlhf.environment.calls.JsonText.Value;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What tools' schemas say of the types of their parameters, for families that write values as text.
 * Of several types the first that fits is taken; a text that fits none stays text, and the tool's
 * check refuses it.
 *
 * @param types by tool and parameter
 */
record ParameterTypes(Map<String, Map<String, List<String>>> types) {
  private static final Pattern NUMBER =
      Pattern.compile("[-+]?(\\d{1,999}(\\.\\d{0,999})?|\\.\\d{1,999})([eE][-+]?\\d{1,3})?");
  private static final int MOST_DEPTH = 20;

  static ParameterTypes of(List<? extends Map<String, ? extends @Nullable Object>> tools) {
    Map<String, Map<String, List<String>>> types = new HashMap<>();
    for (Map<String, ?> tool : tools) {
      Object inner = tool.get("function");
      Map<?, ?> function = inner instanceof Map<?, ?> map ? map : tool;
      if (function.get("name") instanceof String name
          && function.get("parameters") instanceof Map<?, ?> parameters
          && parameters.get("properties") instanceof Map<?, ?> properties) {
        Map<String, List<String>> ofTool = new HashMap<>();
        properties.forEach((key, schema) -> ofTool.put(String.valueOf(key), types(schema, 0)));
        types.put(name, ofTool);
      }
    }
    return new ParameterTypes(types);
  }

  private static List<String> types(@Nullable Object schema, int depth) {
    List<String> types = new ArrayList<>();
    if (schema instanceof Map<?, ?> map && depth < MOST_DEPTH) {
      if (map.get("type") instanceof String one) {
        types.add(one);
      }
      if (map.get("type") instanceof List<?> several) {
        several.forEach(one -> types.add(String.valueOf(one)));
      }
      for (String union : List.of("anyOf", "oneOf")) {
        if (map.get(union) instanceof List<?> choices) {
          choices.forEach(choice -> types.addAll(types(choice, depth + 1)));
        }
      }
      if (Boolean.TRUE.equals(map.get("nullable"))) {
        types.add("null");
      }
    }
    return types;
  }

  /** A value from its text. */
  @Nullable Object typed(String tool, String parameter, String text) {
    for (String type : types.getOrDefault(tool, Map.of()).getOrDefault(parameter, List.of())) {
      Optional<Value> value = of(type, text);
      if (value.isPresent()) {
        return value.get().value();
      }
    }
    return text;
  }

  /** As a type; empty where it does not fit. */
  private static Optional<Value> of(String type, String text) {
    String word = text.strip().toLowerCase(Locale.ROOT);
    return switch (type) {
      case "integer" -> number(word).filter(ParameterTypes::isWhole).map(n -> new Value(whole(n)));
      case "number" ->
          number(word)
              .filter(n -> Double.isFinite(n.doubleValue()))
              .map(n -> new Value(isWhole(n) && !word.contains(".") ? whole(n) : n.doubleValue()));
      case "boolean" ->
          switch (word) {
            case "true", "1" -> Optional.of(new Value(true));
            case "false", "0" -> Optional.of(new Value(false));
            default -> Optional.empty();
          };
      case "null" ->
          word.equals("null") || word.equals("none")
              ? Optional.of(new Value(null))
              : Optional.empty();
      case "object" -> JsonText.whole(text).filter(Map.class::isInstance).map(Value::new);
      case "array" -> JsonText.whole(text).filter(List.class::isInstance).map(Value::new);
      default -> Optional.empty();
    };
  }

  private static Optional<BigDecimal> number(String word) {
    return NUMBER.matcher(word).matches() ? Optional.of(new BigDecimal(word)) : Optional.empty();
  }

  private static boolean isWhole(BigDecimal number) {
    return number.signum() == 0 || number.stripTrailingZeros().scale() <= 0;
  }

  private static Object whole(BigDecimal number) {
    BigInteger value = number.toBigIntegerExact();
    return value.bitLength() < Integer.SIZE
        ? (Object) value.intValueExact()
        : value.bitLength() < Long.SIZE ? (Object) value.longValueExact() : value;
  }
}
