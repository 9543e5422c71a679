package dev.troupe.launcher;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.typesafe.config.ConfigUtil;
import java.nio.file.Path;
import java.util.Random;

/** Data of random words for runs that are measured. */
final class BenchTexts {
  private static final ObjectMapper JSON = OutputJson.mapper();

  private BenchTexts() {}

  /** As a configuration holds it. */
  static String quoted(Path path) {
    return ConfigUtil.quoteString(path.toString());
  }

  /** Texts that are longer than any prompt is to be, so that all are cut to the same length. */
  static String prompts(int count, int promptTokens) {
    Random random = new Random(1);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < count; i++) {
      ObjectNode line = JSON.createObjectNode();
      line.put("prompt", words(random, 4 * promptTokens));
      lines.append(line).append('\n');
    }
    return lines.toString();
  }

  /** Pairs of preferences, as few as a reward model may have. */
  static String pairs() {
    Random random = new Random(2);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 8; i++) {
      ObjectNode line = JSON.createObjectNode();
      line.put("prompt", words(random, 4));
      line.put("chosen", words(random, 4));
      line.put("rejected", words(random, 5));
      lines.append(line).append('\n');
    }
    return lines.toString();
  }

  private static String words(Random random, int count) {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < count; i++) {
      random.ints(4, 'a', 'z' + 1).forEach(letter -> text.append((char) letter));
      text.append(' ');
    }
    return text.toString().strip();
  }
}
