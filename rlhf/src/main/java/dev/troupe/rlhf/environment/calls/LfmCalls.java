package dev.troupe.rlhf.environment.calls;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** LFM2's: a list of calls as Python writes them, between marks. */
final class LfmCalls {
  static final String OPEN = "<|tool_call_start|>";
  private static final String CLOSE = "<|tool_call_end|>";

  private LfmCalls() {}

  static void read(Scan scan) {
    while (scan.toNext(OPEN)) {
      int from = scan.at();
      scan.take(OPEN);
      if (!list(scan)) {
        scan.malformed(from, CLOSE);
      }
    }
  }

  /** All of a list or, where one is no call, none. */
  private static boolean list(Scan scan) {
    if (!scan.space().take("[")) {
      return false;
    }
    List<NamedCall> calls = new ArrayList<>();
    do {
      scan.space();
      Optional<NamedCall> call = scan.pythonCall();
      if (call.isEmpty()) {
        return false;
      }
      calls.add(call.get());
    } while (scan.space().take(","));
    if (!scan.take("]") || !scan.space().take(CLOSE)) {
      return false;
    }
    calls.forEach(call -> call.addTo(scan));
    return true;
  }
}
