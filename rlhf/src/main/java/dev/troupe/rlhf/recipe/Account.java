package dev.troupe.rlhf.recipe;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * The books of a stage.
 *
 * @param issued samples that were given out
 * @param trained samples that at least one optimiser step learned from
 * @param dropped the rest, by reason
 */
public record Account(long issued, long trained, Map<String, Long> dropped) {
  public static final Account EMPTY = new Account(0, 0, Map.of());

  public Account {
    dropped = Collections.unmodifiableMap(new TreeMap<>(dropped));
  }

  public long droppedTotal() {
    return dropped.values().stream().mapToLong(Long::longValue).sum();
  }
}
