package dev.troupe.rlhf.data;

import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.lang.management.MemoryUsage;
import java.util.List;

/**
 * Whether what is kept leaves the heap any room. Where it leaves next to none, a JVM collects for
 * minutes before it gives up.
 */
final class HeapRoom {
  /** Of the old generation, behind its last collection. */
  private static final double MOST = 0.9;

  private static final List<MemoryPoolMXBean> OLD =
      ManagementFactory.getMemoryPoolMXBeans().stream()
          .filter(pool -> pool.getType() == MemoryType.HEAP)
          .filter(pool -> pool.getName().contains("Old") || pool.getName().contains("Tenured"))
          .toList();

  private HeapRoom() {}

  /** Whether there is next to none. */
  static boolean isScarce() {
    return OLD.stream().anyMatch(pool -> isFull(pool.getCollectionUsage(), pool.getUsage()));
  }

  private static boolean isFull(MemoryUsage kept, MemoryUsage now) {
    // A generation that has since given up what it held is not full, whatever it once kept.
    return now.getMax() > 0
        && kept.getUsed() > MOST * now.getMax()
        && now.getUsed() > MOST * now.getMax();
  }
}
