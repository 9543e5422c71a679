package dev.troupe.rlhf.environment.calls;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.StringReader;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** JSON within a text: whoever wrote it, reading is bounded and throws nothing. */
final class JsonText {
  /** Arguments nested deeper are none that a tool could want. */
  static final int MOST_DEPTH = 100;

  private static final JsonMapper JSON =
      new JsonMapper(
          JsonFactory.builder()
              .streamReadConstraints(
                  StreamReadConstraints.builder().maxNestingDepth(MOST_DEPTH).build())
              .build());

  private JsonText() {}

  /**
   * A value found.
   *
   * @param end of its text
   */
  record Found(Object value, int end) {}

  /** The object or array that begins at a place. */
  static Optional<Found> at(String text, int from) {
    if (from >= text.length() || (text.charAt(from) != '{' && text.charAt(from) != '[')) {
      return Optional.empty();
    }
    StringReader reader = new StringReader(text);
    try {
      if (reader.skip(from) != from) {
        return Optional.empty();
      }
      try (JsonParser parser = JSON.createParser(reader)) {
        Object value = parser.readValueAs(Object.class);
        long end = from + parser.currentLocation().getCharOffset();
        return value != null && finite(value)
            ? Optional.of(new Found(value, (int) end))
            : Optional.empty();
      }
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** A text that is an object or array from end to end. */
  static Optional<Object> whole(String text) {
    String stripped = text.strip();
    return at(stripped, 0).filter(found -> found.end() == stripped.length()).map(Found::value);
  }

  /** A value, which may be null. */
  record Value(@Nullable Object value) {}

  /** A text that is one value of JSON from end to end, of whatever kind. */
  static Optional<Value> value(String text) {
    return whole("[" + text + "]")
        .filter(list -> ((List<?>) list).size() == 1)
        .map(list -> new Value(((List<?>) list).get(0)));
  }

  /** The arguments of a call: an object, JSON of an object, or nothing. */
  static Optional<Map<String, @Nullable Object>> arguments(@Nullable Object given) {
    if (given == null) {
      return Optional.of(Map.of());
    }
    Object value = given instanceof String text ? whole(text).orElse(text) : given;
    if (!(value instanceof Map<?, ?> map)) {
      return Optional.empty();
    }
    Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
    map.forEach((key, argument) -> arguments.put(String.valueOf(key), argument));
    return Optional.of(arguments);
  }

  /** A number too large for a double is read as infinite, which JSON has not. */
  private static boolean finite(@Nullable Object value) {
    if (value instanceof Map<?, ?> map) {
      return map.values().stream().allMatch(JsonText::finite);
    }
    if (value instanceof List<?> list) {
      return list.stream().allMatch(JsonText::finite);
    }
    return !(value instanceof Double number) || Double.isFinite(number);
  }
}
