package dev.troupe.rlhf.recipe;

import dev.troupe.protocol.recording.Work;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/** Seconds of one step by phase: generate, score, train. */
public final class Phases {
  private final TreeMap<String, Double> seconds = new TreeMap<>();

  /** Does work and counts its time. */
  public <T> T time(String phase, Supplier<T> work) {
    long start = System.nanoTime();
    try {
      return Work.record("recipe", phase, work);
    } finally {
      seconds.merge(phase, (System.nanoTime() - start) / 1e9, Double::sum);
    }
  }

  /** By phase. */
  public Map<String, Double> seconds() {
    return Map.copyOf(seconds);
  }

  double of(String phase) {
    return seconds.getOrDefault(phase, 0.0);
  }
}
