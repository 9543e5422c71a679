package dev.troupe.rlhf.environment.calls;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Llama's: the turn is nothing but calls, one or several with semicolons between. A turn that is
 * other JSON, or begins with words, is text.
 */
final class LlamaCalls {
  private static final String MARK = "<|python_tag|>";

  private LlamaCalls() {}

  static void read(Scan scan) {
    // Thoughts before it are passed; the mark itself need not be there.
    scan.thoughts();
    int from = scan.space().at();
    boolean marked = scan.take(MARK);
    scan.space();
    if (!marked && !scan.sees("{")) {
      scan.say(scan.rest());
      return;
    }
    boolean begun = marked || scan.beginsObjectWith("name");
    List<NamedCall> calls = new ArrayList<>();
    do {
      scan.space().take(MARK);
      Optional<Object> value = scan.space().json();
      Optional<NamedCall> call = value.filter(LlamaCalls::hasArguments).flatMap(NamedCall::of);
      if (call.isEmpty()) {
        // Other JSON is an answer; a call that cannot be read, or one beside calls, is none.
        boolean answer = value.isPresent() && !marked && calls.isEmpty();
        if (begun && !answer) {
          scan.malformed(from, "");
        } else {
          scan.back(from);
          scan.say(scan.rest());
        }
        return;
      }
      calls.add(call.get());
    } while (scan.space().take(";") && !scan.space().atEnd());
    if (scan.atEnd()) {
      calls.forEach(found -> found.addTo(scan));
    } else {
      scan.malformed(from, "");
    }
  }

  private static boolean hasArguments(Object value) {
    return value instanceof Map<?, ?> map
        && (map.containsKey("arguments") || map.containsKey("parameters"));
  }
}
