package dev.troupe.rlhf.environment.calls;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Gemma's notation of values: JSON with bare keys and strings between marks of their own. */
final class GemmaText {
  private static final String QUOTE = "<|\"|>";

  /** What it is that cannot be read; said by a return, not thrown. */
  private static final Object NOTHING = new Object();

  private final String text;
  private int at;

  GemmaText(String text, int at) {
    this.text = text;
    this.at = at;
  }

  int at() {
    return at;
  }

  /** The object that begins here. */
  Optional<Map<String, @Nullable Object>> object() {
    Object value = object(0);
    return value == NOTHING ? Optional.empty() : JsonText.arguments(value);
  }

  private @Nullable Object value(int depth) {
    space();
    if (depth > JsonText.MOST_DEPTH) {
      return NOTHING;
    }
    if (text.startsWith(QUOTE, at)) {
      int end = text.indexOf(QUOTE, at + QUOTE.length());
      if (end < 0) {
        return NOTHING;
      }
      String string = text.substring(at + QUOTE.length(), end);
      at = end + QUOTE.length();
      return string;
    }
    if (sees('{')) {
      return object(depth);
    }
    if (sees('[')) {
      return list(depth);
    }
    int from = at;
    while (at < text.length() && ",}]<".indexOf(text.charAt(at)) < 0) {
      at++;
    }
    Optional<JsonText.Value> scalar = JsonText.value(text.substring(from, at));
    return scalar.isPresent() ? scalar.get().value() : NOTHING;
  }

  private Object object(int depth) {
    if (!take('{')) {
      return NOTHING;
    }
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    while (true) {
      space();
      if (take('}')) {
        return map;
      }
      if (!map.isEmpty() && !take(',')) {
        return NOTHING;
      }
      String key = key();
      if (key.isEmpty() || !take(':')) {
        return NOTHING;
      }
      Object value = value(depth + 1);
      if (value == NOTHING) {
        return NOTHING;
      }
      map.put(key, value);
    }
  }

  private String key() {
    space();
    if (text.startsWith(QUOTE, at)) {
      return value(0) instanceof String quoted ? quoted : "";
    }
    int from = at;
    while (at < text.length() && ":,{}[]<".indexOf(text.charAt(at)) < 0) {
      at++;
    }
    String key = text.substring(from, at).strip();
    return key.length() > 1 && key.startsWith("\"") && key.endsWith("\"")
        ? key.substring(1, key.length() - 1)
        : key;
  }

  private Object list(int depth) {
    at++;
    List<@Nullable Object> list = new ArrayList<>();
    while (true) {
      space();
      if (take(']')) {
        return list;
      }
      if (!list.isEmpty() && !take(',')) {
        return NOTHING;
      }
      Object value = value(depth + 1);
      if (value == NOTHING) {
        return NOTHING;
      }
      list.add(value);
    }
  }

  private boolean sees(char letter) {
    return at < text.length() && text.charAt(at) == letter;
  }

  private boolean take(char letter) {
    if (sees(letter)) {
      at++;
      return true;
    }
    return false;
  }

  private void space() {
    while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
      at++;
    }
  }
}
