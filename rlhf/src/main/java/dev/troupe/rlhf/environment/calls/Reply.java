package dev.troupe.rlhf.environment.calls;

import dev.troupe.rlhf.port.Environment.Action;
import dev.troupe.rlhf.port.Environment.ToolCall;
import java.util.List;

/**
 * What a model said in one turn, taken apart.
 *
 * @param thinking what it thought to itself; calls in there do not count
 * @param text what it said beside that and the calls, without end-of-turn tokens and white space
 *     around; a malformed call is in it as it was written
 * @param calls whole calls, in order; the id is empty where the form has none
 * @param malformed the beginnings of calls that were begun and are none: cut off, no JSON, without
 *     a name; at most 64
 */
public record Reply(String thinking, String text, List<ToolCall> calls, List<String> malformed) {
  public Reply {
    calls = List.copyOf(calls);
    malformed = List.copyOf(malformed);
  }

  /** For an environment. */
  public Action action() {
    return new Action(text, calls);
  }
}
