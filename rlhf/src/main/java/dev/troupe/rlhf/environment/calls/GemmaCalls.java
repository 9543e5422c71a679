package dev.troupe.rlhf.environment.calls;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Gemma 4's: a name and arguments in a notation of its own. */
final class GemmaCalls {
  private static final String OPEN = "<|tool_call>";
  private static final String CLOSE = "<tool_call|>";

  private GemmaCalls() {}

  static void read(Scan scan) {
    while (scan.toNext(OPEN)) {
      int from = scan.at();
      scan.take(OPEN);
      if (!one(scan)) {
        scan.malformed(from, CLOSE);
      }
    }
  }

  private static boolean one(Scan scan) {
    if (!scan.space().take("call:")) {
      return false;
    }
    StringBuilder name = new StringBuilder();
    while (!scan.atEnd() && !scan.sees("{") && !scan.sees("<") && name.length() <= 256) {
      name.append(scan.letter());
    }
    Optional<Map<String, @Nullable Object>> arguments = scan.gemma();
    if (name.toString().isBlank() || arguments.isEmpty() || !scan.space().take(CLOSE)) {
      return false;
    }
    scan.call(name.toString().strip(), arguments.get());
    return true;
  }
}
