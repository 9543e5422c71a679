package dev.troupe.rlhf.selfinstruct;

import java.util.EnumMap;
import java.util.Map;

/** How often each reason was one. */
public final class DropCount {
  private final Map<Drop, Integer> counts = new EnumMap<>(Drop.class);

  void add(Drop drop) {
    counts.merge(drop, 1, Integer::sum);
  }

  void addAll(Map<Drop, Integer> more) {
    more.forEach((drop, count) -> counts.merge(drop, count, Integer::sum));
  }

  /** Reasons that there were. */
  public Map<Drop, Integer> counts() {
    return new EnumMap<>(counts);
  }
}
