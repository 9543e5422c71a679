package dev.troupe.rlhf.data;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * What became of the records.
 *
 * @param kept examples, those truncated among them
 * @param truncated examples that lost tokens
 * @param longest tokens of the longest example, before truncation
 * @param leftOut records left out, by reason
 */
public record LengthReport(int kept, int truncated, int longest, Map<String, Integer> leftOut) {
  /** Longer than the length policy lets it be. */
  public static final String TOO_LONG = "too long";

  /** KTO's label, or a flag like it, says that it is not to be imitated. */
  public static final String UNDESIRABLE = "marked as not to imitate";

  /** Each of its answers is marked so. */
  public static final String MASKED = "no turn is to be learned";

  /** A pair without a difference, perhaps since it was truncated. */
  public static final String SAME = "both answers the same";

  /** Nothing to imitate but the end: a cell or a field that was left empty. */
  public static final String EMPTY = "the answer is empty";

  public LengthReport {
    leftOut = Collections.unmodifiableMap(new TreeMap<>(leftOut));
  }

  /** Examples left out as too long. */
  public int dropped() {
    return leftOut.getOrDefault(TOO_LONG, 0);
  }

  /** One line for a person. */
  public String describe(String what) {
    StringBuilder line = new StringBuilder();
    line.append(Counted.of(kept, what))
        .append(" (")
        .append(dropped())
        .append(" dropped as too long, ")
        .append(truncated)
        .append(" truncated; the longest had ")
        .append(longest)
        .append(" tokens)");
    leftOut.forEach(
        (reason, count) -> {
          if (!reason.equals(TOO_LONG)) {
            line.append("; ").append(count).append(" left out: ").append(reason);
          }
        });
    return line.toString();
  }
}
