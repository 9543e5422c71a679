package dev.troupe.rewards;

import java.util.List;
import java.util.Optional;

/** Fenced blocks of Markdown. */
final class Blocks {
  private static final String FENCE = "```";

  private Blocks() {}

  /** What stands between the last pair of fences. */
  static Optional<String> last(String text) {
    List<String> lines = text.lines().toList();
    Optional<String> last = Optional.empty();
    int open = -1;
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      if (!line.startsWith(FENCE)) {
        continue;
      }
      if (open < 0) {
        open = i;
      } else if (line.equals(FENCE)) {
        last = Optional.of(String.join("\n", lines.subList(open + 1, i)) + "\n");
        open = -1;
      }
    }
    return last;
  }
}
