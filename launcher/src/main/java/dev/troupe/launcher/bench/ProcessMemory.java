package dev.troupe.launcher.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What Linux counts of this process, Java's heap and torch's memory together. */
final class ProcessMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final Path STAT = Path.of("/proc/self/stat");
  private static final Path CLEAR = Path.of("/proc/self/clear_refs");

  /** Of /proc/self/stat behind the command's name, counted from 0 (proc(5): minflt). */
  private static final int MINOR_FAULTS = 7;

  private ProcessMemory() {}

  /** Bytes in memory now. */
  static long residentBytes() {
    return statusBytes("VmRSS:");
  }

  /** The most that were since {@link #forgetPeak}. */
  static long peakBytes() {
    return statusBytes("VmHWM:");
  }

  static void forgetPeak() {
    try {
      Files.writeString(CLEAR, "5");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Pages that were touched for the first time, by all threads that are or have been. */
  static long pageFaults() {
    try {
      String stat = Files.readString(STAT);
      return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[MINOR_FAULTS]);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Fills the heap's young generation once, so that what is touched for the first time from here on
   * is not Java's.
   */
  static void touchYoungGeneration() {
    long before = collections();
    byte[][] last = new byte[1][];
    while (collections() == before) {
      last[0] = new byte[1 << 16];
    }
  }

  private static long collections() {
    return ManagementFactory.getGarbageCollectorMXBeans().stream()
        .mapToLong(GarbageCollectorMXBean::getCollectionCount)
        .sum();
  }

  private static long statusBytes(String key) {
    try (Stream<String> lines = Files.lines(STATUS)) {
      return lines
          .filter(line -> line.startsWith(key))
          .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
          .findFirst()
          .orElseThrow();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
