package dev.troupe.models.peft;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Values of an {@code adapter_config.json} by key, as PEFT means them. Complaints are
 * IllegalArgumentExceptions without the file's name.
 */
final class AdapterKeys {
  private AdapterKeys() {}

  /** Absent, null, false or empty. */
  static boolean off(JsonNode value) {
    return value.isMissingNode()
        || value.isNull()
        || (value.isBoolean() && !value.booleanValue())
        || (value.isContainerNode() && value.isEmpty());
  }

  static boolean flag(ObjectNode json, String key) {
    JsonNode value = json.path(key);
    require(off(value) || value.isBoolean(), key + " must be true or false, found " + value);
    return value.asBoolean(false);
  }

  static int integer(JsonNode value, String key) {
    require(
        value.isIntegralNumber() && value.canConvertToInt(),
        key + " must be a whole number, found " + value);
    return value.intValue();
  }

  static double number(JsonNode value, String key) {
    require(value.isNumber(), key + " must be a number, found " + value);
    return value.doubleValue();
  }

  /** The layers that are adapted; none where it does not say. */
  static Modules targets(ObjectNode json) {
    return optionalModules(json, "target_modules").orElseGet(() -> new Modules.Names(List.of()));
  }

  /** A choice of layers that may be left out. */
  static Optional<Modules> optionalModules(ObjectNode json, String key) {
    return off(json.path(key)) ? Optional.empty() : Optional.of(modules(json.path(key), key));
  }

  static Modules modules(JsonNode value, String key) {
    if (value.isTextual()) {
      return value.asText().equalsIgnoreCase("all-linear")
          ? new Modules.AllLinear()
          : new Modules.Pattern(value.asText());
    }
    require(
        value.isArray(),
        key + " must be a list of names, a regular expression or \"all-linear\", found " + value);
    return new Modules.Names(texts(value, key));
  }

  static List<String> texts(JsonNode value, String key) {
    if (off(value)) {
      return List.of();
    }
    if (value.isTextual()) {
      return List.of(value.asText());
    }
    require(value.isArray(), key + " must be a text or a list of texts, found " + value);
    List<String> texts = new ArrayList<>();
    for (JsonNode text : value) {
      require(text.isTextual(), key + " must hold texts, found " + text);
      texts.add(text.asText());
    }
    return texts;
  }

  static List<Integer> integers(ObjectNode json, String key) {
    JsonNode value = json.path(key);
    if (off(value)) {
      return List.of();
    }
    List<Integer> integers = new ArrayList<>();
    for (JsonNode each : value.isArray() ? value : List.of(value)) {
      integers.add(integer(each, key));
    }
    return integers;
  }

  /** Reads one value of a pattern. */
  interface Value<T> {
    T read(JsonNode value, String key);
  }

  static <T> Map<String, T> patterns(ObjectNode json, String key, Value<T> reader) {
    JsonNode value = json.path(key);
    if (off(value)) {
      return Map.of();
    }
    require(value.isObject(), key + " must be an object, found " + value);
    Map<String, T> patterns = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> entry : value.properties()) {
      patterns.put(
          entry.getKey(), reader.read(entry.getValue(), key + " '" + entry.getKey() + "'"));
    }
    return patterns;
  }

  static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalArgumentException(message);
    }
  }

  /** Some readers take what may be a fraction only as a whole number. */
  static void put(ObjectNode json, String key, double value) {
    if (value == Math.rint(value) && value < Integer.MAX_VALUE) {
      json.put(key, (int) value);
    } else {
      json.put(key, value);
    }
  }

  static void put(ObjectNode json, String key, Modules modules) {
    if (modules instanceof Modules.Names list) {
      ArrayNode names = json.putArray(key);
      list.names().forEach(names::add);
    } else if (modules instanceof Modules.Pattern pattern) {
      json.put(key, pattern.regex());
    } else {
      json.put(key, "all-linear");
    }
  }

  /** A choice of layers, or null where there is none. */
  static void putModules(ObjectNode json, String key, Optional<Modules> modules) {
    modules.ifPresentOrElse(found -> put(json, key, found), () -> json.putNull(key));
  }

  /** A list, or null where it is empty. */
  static void putTexts(ObjectNode json, String key, List<String> texts) {
    if (texts.isEmpty()) {
      json.putNull(key);
    } else {
      texts.forEach(json.putArray(key)::add);
    }
  }
}
