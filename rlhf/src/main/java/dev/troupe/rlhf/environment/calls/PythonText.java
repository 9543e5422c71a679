package dev.troupe.rlhf.environment.calls;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Literals as Python writes them, and as JSON does, which templates mix: quotes of both kinds,
 * {@code True} and {@code true}, {@code None} and {@code null}.
 */
final class PythonText {
  /** What it is that cannot be read; said by a return, not thrown. */
  private static final Object NOTHING = new Object();

  private static final Map<Character, Character> ESCAPES =
      Map.of('n', '\n', 'r', '\r', 't', '\t', 'b', '\b', 'f', '\f');

  private final String text;
  private int at;

  PythonText(String text, int at) {
    this.text = text;
    this.at = at;
  }

  int at() {
    return at;
  }

  /** A name: letters, digits and underscores, and dots and hyphens within; empty for none. */
  String name() {
    int from = at;
    while (at < text.length()
        && (Character.isLetterOrDigit(text.charAt(at)) || "_.-".indexOf(text.charAt(at)) >= 0)) {
      at++;
    }
    return text.substring(from, at);
  }

  /** Arguments by keyword, between brackets; empty where that is not what stands here. */
  Optional<Map<String, @Nullable Object>> arguments() {
    if (!take('(')) {
      return Optional.empty();
    }
    Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
    while (!take(')')) {
      if (!arguments.isEmpty() && !take(',')) {
        return Optional.empty();
      }
      space();
      String key = name();
      if (key.isEmpty() || arguments.containsKey(key) || !take('=')) {
        return Optional.empty();
      }
      Object value = value(0);
      if (value == NOTHING) {
        return Optional.empty();
      }
      arguments.put(key, value);
    }
    return Optional.of(arguments);
  }

  private @Nullable Object value(int depth) {
    space();
    if (depth > JsonText.MOST_DEPTH || at >= text.length()) {
      return NOTHING;
    }
    char first = text.charAt(at);
    return switch (first) {
      case '\'', '"' -> string(first);
      case '[' -> list(depth);
      case '{' -> map(depth);
      default -> scalar();
    };
  }

  private @Nullable Object scalar() {
    int from = at;
    while (at < text.length() && ",)]}<".indexOf(text.charAt(at)) < 0) {
      at++;
    }
    String word = text.substring(from, at).strip();
    return switch (word) {
      case "True" -> true;
      case "False" -> false;
      case "None" -> null;
      default -> {
        Optional<JsonText.Value> scalar = JsonText.value(word);
        yield scalar.isPresent() ? scalar.get().value() : NOTHING;
      }
    };
  }

  /** With escapes; a backslash before any other letter is one, as in Python. */
  private Object string(char quote) {
    StringBuilder string = new StringBuilder();
    for (at++; at < text.length(); at++) {
      char letter = text.charAt(at);
      if (letter == quote) {
        at++;
        return string.toString();
      }
      if (letter != '\\' || at + 1 >= text.length()) {
        string.append(letter);
        continue;
      }
      char escaped = text.charAt(++at);
      Character plain = ESCAPES.get(escaped);
      if (plain != null) {
        string.append(plain.charValue());
      } else if (escaped == 'u' && isHexadecimal(at + 1, at + 5)) {
        string.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
        at += 4;
      } else if (escaped == '\\' || escaped == '\'' || escaped == '"' || escaped == '/') {
        string.append(escaped);
      } else {
        string.append('\\').append(escaped);
      }
    }
    return NOTHING;
  }

  private boolean isHexadecimal(int from, int to) {
    return to <= text.length()
        && text.substring(from, to).chars().allMatch(letter -> Character.digit(letter, 16) >= 0);
  }

  private Object list(int depth) {
    at++;
    List<@Nullable Object> list = new ArrayList<>();
    while (!take(']')) {
      if (!list.isEmpty() && !take(',')) {
        return NOTHING;
      }
      Object value = value(depth + 1);
      if (value == NOTHING) {
        return NOTHING;
      }
      list.add(value);
    }
    return list;
  }

  private Object map(int depth) {
    at++;
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    while (!take('}')) {
      if (!map.isEmpty() && !take(',')) {
        return NOTHING;
      }
      if (!(value(depth + 1) instanceof String key) || !take(':')) {
        return NOTHING;
      }
      Object value = value(depth + 1);
      if (value == NOTHING) {
        return NOTHING;
      }
      map.put(key, value);
    }
    return map;
  }

  private boolean take(char letter) {
    space();
    if (at < text.length() && text.charAt(at) == letter) {
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
