package dev.troupe.rlhf.environment.calls;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Mistral's: {@code [TOOL_CALLS]} with an array of calls, or, since its eleventh tokenizer, a name
 * and its arguments, each call with a mark of its own.
 */
final class MistralCalls {
  private static final String MARK = "[TOOL_CALLS]";
  private static final int MOST_NAME = 256;

  private MistralCalls() {}

  static void read(Scan scan) {
    while (scan.toNext(MARK)) {
      int from = scan.at();
      scan.take(MARK);
      if (!(scan.space().sees("[") ? array(scan) : named(scan))) {
        scan.malformedUpTo(from, MARK);
      }
    }
  }

  private static boolean array(Scan scan) {
    Optional<Object> list = scan.json();
    if (list.isEmpty() || !(list.get() instanceof List<?> elements) || elements.isEmpty()) {
      return false;
    }
    List<NamedCall> calls = new ArrayList<>();
    for (Object element : elements) {
      NamedCall.of(element).ifPresent(calls::add);
    }
    if (calls.size() < elements.size()) {
      return false;
    }
    calls.forEach(call -> call.addTo(scan));
    return true;
  }

  private static boolean named(Scan scan) {
    StringBuilder letters = new StringBuilder();
    while (!scan.atEnd() && !scan.sees("{") && !scan.sees("[") && letters.length() <= MOST_NAME) {
      letters.append(scan.letter());
    }
    String name = letters.toString().strip();
    if (name.isEmpty()
        || name.length() > MOST_NAME
        || name.chars().anyMatch(Character::isWhitespace)) {
      return false;
    }
    Optional<String> id = Optional.empty();
    if (scan.take("[CALL_ID]")) {
      id = scan.until("[ARGS]", MOST_NAME);
      if (id.isEmpty()) {
        return false;
      }
    } else {
      scan.take("[ARGS]");
    }
    Optional<Map<String, @Nullable Object>> arguments =
        scan.space().json().flatMap(JsonText::arguments);
    if (arguments.isEmpty()) {
      return false;
    }
    new NamedCall(id.map(String::strip), name, arguments.get()).addTo(scan);
    return true;
  }
}
