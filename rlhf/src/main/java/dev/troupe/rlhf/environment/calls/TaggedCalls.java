package dev.troupe.rlhf.environment.calls;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The families that write {@code <tool_call>…</tool_call>}; they differ in what is between. */
final class TaggedCalls {
  private static final String OPEN = "<tool_call>";
  private static final String CLOSE = "</tool_call>";

  /** Longer names of tools and parameters are none. */
  private static final int MOST_NAME = 256;

  private TaggedCalls() {}

  /** What is between the tags; adds a call where it is whole, and says whether it was. */
  private interface Inner {
    boolean read(Scan scan, ParameterTypes types);
  }

  static void hermes(Scan scan, ParameterTypes types) {
    all(scan, types, TaggedCalls::json);
  }

  static void qwenCoder(Scan scan, ParameterTypes types) {
    all(scan, types, TaggedCalls::function);
  }

  static void glm(Scan scan, ParameterTypes types) {
    all(scan, types, TaggedCalls::keysAndValues);
  }

  private static void all(Scan scan, ParameterTypes types, Inner inner) {
    while (scan.toNext(OPEN)) {
      int from = scan.at();
      scan.take(OPEN);
      if (!inner.read(scan, types)) {
        scan.malformed(from, CLOSE);
      }
    }
  }

  private static boolean json(Scan scan, ParameterTypes types) {
    Optional<NamedCall> call = scan.space().json().flatMap(NamedCall::of);
    if (call.isEmpty() || !scan.space().take(CLOSE)) {
      return false;
    }
    call.get().addTo(scan);
    return true;
  }

  private static boolean function(Scan scan, ParameterTypes types) {
    if (!scan.space().take("<function=")) {
      return false;
    }
    Optional<String> name = scan.until(">", MOST_NAME).filter(TaggedCalls::isName);
    if (name.isEmpty()) {
      return false;
    }
    Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
    while (scan.space().take("<parameter=")) {
      Optional<String> key = scan.until(">", MOST_NAME).filter(TaggedCalls::isName);
      Optional<String> value = key.isEmpty() ? key : scan.until("</parameter>");
      if (value.isEmpty()) {
        return false;
      }
      arguments.put(key.get(), types.typed(name.get(), key.get(), withoutNewlines(value.get())));
    }
    if (!scan.take("</function>") || !scan.space().take(CLOSE)) {
      return false;
    }
    scan.call(name.get(), arguments);
    return true;
  }

  private static boolean keysAndValues(Scan scan, ParameterTypes types) {
    StringBuilder name = new StringBuilder();
    while (!scan.atEnd() && !scan.sees("<") && name.length() <= MOST_NAME) {
      name.append(scan.letter());
    }
    String tool = name.toString().strip();
    if (!isName(tool)) {
      return false;
    }
    Map<String, @Nullable Object> arguments = new LinkedHashMap<>();
    while (scan.space().take("<arg_key>")) {
      Optional<String> key = scan.until("</arg_key>", MOST_NAME);
      if (key.isEmpty() || !scan.space().take("<arg_value>")) {
        return false;
      }
      Optional<String> value = scan.until("</arg_value>");
      if (value.isEmpty()) {
        return false;
      }
      String parameter = key.get().strip();
      arguments.put(parameter, types.typed(tool, parameter, value.get()));
    }
    if (!scan.take(CLOSE)) {
      return false;
    }
    scan.call(tool, arguments);
    return true;
  }

  private static boolean isName(String text) {
    return !text.isEmpty()
        && text.length() <= MOST_NAME
        && text.chars().noneMatch(Character::isWhitespace);
  }

  /** The one that the form puts on each side; any further is the value's own. */
  private static String withoutNewlines(String value) {
    int from = value.startsWith("\n") ? 1 : 0;
    int to = value.endsWith("\n") && value.length() > from ? value.length() - 1 : value.length();
    return value.substring(from, to);
  }
}
